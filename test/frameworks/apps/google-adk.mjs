import {
  BaseTool,
  FunctionTool,
  InMemoryRunner,
  LlmAgent,
  LogLevel,
  LongRunningFunctionTool,
  StreamingMode,
  setLogLevel,
} from '@google/adk';
import { z } from 'zod';
import { steps, tools } from './steps.mjs';

setLogLevel(LogLevel.ERROR);
const parameters = z.object({ patient_id: z.string() });
const made = (name, execute, more = {}) =>
  new FunctionTool({ name, description: name, parameters, execute, ...more });
const given = Object.entries(tools).map(([name, run]) =>
  made(name, (input, context) => run(input, context.abortSignal)),
);
given.push(made('ask_first', async () => ({ status: 'done' }), { requireConfirmation: true }));
given.push(made('strict', async () => 'never', { parameters: z.object({ ward: z.string() }) }));
given.push(
  new LongRunningFunctionTool({
    name: 'long',
    description: 'long',
    parameters,
    execute: async () => 'begun',
  }),
);
class OwnTool extends BaseTool {
  #answer = 'own';
  _getDeclaration() {
    return { name: this.name, description: this.description };
  }
  async runAsync() {
    return { answer: this.#answer };
  }
}
given.push(new OwnTool({ name: 'own', description: 'own' }));
class Careful extends FunctionTool {
  async runAsync(request) {
    return { careful: await super.runAsync(request) };
  }
}
given.push(new Careful({ name: 'careful', description: 'careful', parameters, execute: async () => 'done' }));
const agent = new LlmAgent({ name: 'ward_agent', model: 'gemini-2.5-flash', tools: given });
const runner = new InMemoryRunner({ agent, appName: 'ward' });

await steps(async (question, { stream, signal: abortSignal }) => {
  const { id: sessionId } = await runner.sessionService.createSession({ appName: 'ward', userId: 'ward-3' });
  const runConfig = { streamingMode: stream ? StreamingMode.SSE : StreamingMode.NONE };
  const said = [];
  const told = async (part) => {
    const newMessage = { role: 'user', parts: [part] };
    let asked;
    for await (const { content } of runner.runAsync({
      userId: 'ward-3',
      sessionId,
      newMessage,
      runConfig,
      abortSignal,
    }))
      for (const { text, functionCall, functionResponse } of content?.parts ?? []) {
        said.push(text ?? functionResponse?.response);
        if (functionCall?.name === 'adk_request_confirmation') asked = functionCall;
      }
    return asked;
  };
  const asked = await told({ text: question });
  if (asked !== undefined)
    await told({ functionResponse: { id: asked.id, name: asked.name, response: { confirmed: false } } });
  return JSON.stringify(said);
});
