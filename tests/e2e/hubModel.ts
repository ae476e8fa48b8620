/** A model of a hub in the page: looked up, and downloaded as a visitor does. */
import type { Visit } from './visit';

/** Looks a repository up under Models, which must be on show. @param endpoint of the hub */
export async function lookUpModel(visit: Visit, endpoint: string, name: string, token = ''): Promise<void> {
  const hubPart = visit.page.getByRole('region', { name: 'Models from the hub' });
  if (!(await hubPart.getByLabel('Hub or mirror').isVisible())) await hubPart.getByText('Token and address').click();
  await hubPart.getByLabel('Hub or mirror').fill(endpoint);
  await hubPart.getByLabel('Access token').fill(token);
  await hubPart.getByLabel('Any other').fill(name);
  await hubPart.getByRole('button', { name: 'Look up', exact: true }).last().click();
}

/** Downloads a repository that answers at once, until a run may use it. */
export async function downloadModel(visit: Visit, endpoint: string, name: string): Promise<void> {
  const { page } = visit;
  await visit.tab('Models').click();
  await lookUpModel(visit, endpoint, name);
  const offer = page.getByRole('group', { name: `Offer: ${name}` });
  await offer.getByRole('button', { name: 'Download' }).click();
  const row = page.getByRole('region', { name: 'Models here' }).getByRole('listitem').filter({ hasText: name });
  await row.getByRole('button', { name: 'Use in the next run' }).waitFor();
}
