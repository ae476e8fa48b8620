/** Links that were handed out: each must be read for ever. A new version of the form adds links and takes none away. */
export const GOLDEN_LINKS = {
  settings: '#1uDIRYotWyi3NKclMTE_NK9FNy8xLLSnNy8xLV9Ix1FFKLMosychNLclM1i3JzKtU0jFCFgMpiY5WKk5NTVHSMY6N1ckrzclBELEA',
  finished:
    '#1AbdG83VQ3W6CMBR-laXXJaGITHYnDBSXZUYjmhFiEKrUQSG04PDp12K2Ccuac9Xzne8vAHmdcRKdMOXKkVDMa0roCUAEQVQRnuaYk1jhhLYAavd_EhIEgGGcADgKYQAIx1XESUGZgIYhBAtiO1o08tXWS-i8bJyVsreYGSeXrWGzxvNKtTS3DFVnFYh7_BnF_OnhV-IBCRHJvGLt-ZrOvOLolD53R65eF--LzGr2S7NtkHu4tL7qzKKdtQEQ7FcJtbVNNj9Mxlblqpkyvtj10v8o7U1NpvniujutU7Z8oSKEphtC4Kgba4uzdGILJ8CeX_OJYm_Rm0hyTweEGRFZFJRheQoDNILdiLiiyuhcCPOyKbnSYTfdKsGHiH_fmLCbbnEjm8r-131eWmcZ1GSRPdTrUOQf3HNfsYcqYoJ5O9BDjz-ebvs_SsgYIAYamgo1FMr3BQ',
  changed:
    '#14gGtzV2N2w7CIAyG36XXdRlmZvIshBgCnUORMSgmvr2wGxNv2vTrf1BQ2GRAgWCy5_VF7O1pr94-_2A_lYLVRy6AiwmFNCpw_EkECA1foYNC5ADlOM5CyvNlmqdRStE_xpnElIdWeKceAvst5e2B72Md7sVH4hppsMGnpohbJNAaYw3hN_QX',
} as const;

/** What each of them says. */
export const GOLDEN_CONTENT = {
  settings: {
    recipe: { id: 'multiagent-finetuning', revision: 1 },
    preset: { id: 'arithmetic-tiny', revision: 2 },
    task: { id: 'arithmetic', revision: 1 },
    changes: { seed: 3 },
    modelHash: null,
    engine: null,
    receipt: null,
  },
  finished: {
    changes: { seed: 3, iterations: 2 },
    modelHash: '262084d9add5d3221d9c7a6f111fbf06cf5c7705ba0acbc8229d29f56b35ae3d',
    engine: { name: 'exact: arithmetic 1', arithmetic: 1 },
    receipt: { digest: '46cca3ce1188a1f12956d177178ba8649941bff3fdcafd456f0c95d0419a5c15', events: 246 },
  },
  changed: {
    recipe: { id: 'star', revision: 1 },
    preset: { id: 'arithmetic-quick', revision: 1 },
    changes: {
      seed: 9007199254740991,
      hints: false,
      'finetune.clip': 'none',
      'adapter.targets': 'q_proj,v_proj',
      dtype: 'int8',
    },
  },
} as const;
