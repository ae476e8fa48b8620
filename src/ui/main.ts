import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { gradeInWorker } from './gradingWorker';
import { LabClient } from './labClient.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no element #app');
gradeInWorker();
// What index.html says to whoever opened it as a file.
target.replaceChildren();
mount(App, { target, props: { lab: new LabClient() } });
