// Another --import, which registers the app's provider.
import { registeredProvider } from './sdk.mjs';

await registeredProvider();
