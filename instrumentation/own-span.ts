import { randomBytes } from 'node:crypto';
import type {
  Attributes,
  Exception,
  HrTime,
  Link,
  Span,
  SpanContext,
  SpanOptions,
  SpanStatus,
  TimeInput,
} from '@opentelemetry/api';
import type { ReadableSpanLike } from '../src/sdk/readable-span.ts';

/** Who hears of spans: the span processor. */
export interface SpanListener {
  onStart(span: ReadableSpanLike): void;
  onEnd(span: ReadableSpanLike): void;
}

const MAX_EVENTS = 1_000;

/**
 * A span that is only recorded: of an app without a provider, or beside one that a sampler left out. It has no
 * limits, and no exporter ever sees it.
 */
export class OwnSpan implements Span, ReadableSpanLike {
  name: string;
  readonly kind: number;
  readonly attributes: { [key: string]: unknown } = {};
  readonly links: Link[] = [];
  readonly events: { name: string; time: HrTime; attributes: Attributes }[] = [];
  readonly resource: ReadableSpanLike['resource'];
  readonly instrumentationScope: { name: string; version?: string | undefined };
  readonly parentSpanContext: SpanContext | undefined;
  readonly startTime: HrTime;
  endTime: HrTime = [0, 0];
  status: SpanStatus = { code: 0 };
  droppedEventsCount = 0;
  readonly #context: SpanContext;
  readonly #listener: SpanListener;
  readonly #begun = performance.now();
  #isEnded = false;

  constructor(
    name: string,
    options: SpanOptions,
    place: {
      parent: SpanContext | undefined;
      /** Of the span it stands beside; a new one's where absent. */
      context?: SpanContext;
      scope: { name: string; version?: string | undefined };
      resource: ReadableSpanLike['resource'];
    },
    listener: SpanListener,
  ) {
    this.name = name;
    this.kind = options.kind ?? 0;
    this.parentSpanContext = place.parent;
    this.#context = place.context ?? {
      traceId: place.parent?.traceId ?? randomBytes(16).toString('hex'),
      spanId: randomBytes(8).toString('hex'),
      // Not sampled: no exporter is to wait for it.
      traceFlags: place.parent?.traceFlags ?? 0,
    };
    this.instrumentationScope = place.scope;
    this.resource = place.resource;
    this.startTime = hrTime(options.startTime ?? Date.now());
    this.#listener = listener;
    if (options.attributes !== undefined) this.setAttributes(options.attributes);
    if (options.links !== undefined) this.addLinks(options.links);
    listener.onStart(this);
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return !this.#isEnded;
  }

  setAttribute(key: string, value: unknown): this {
    if (!this.#isEnded && value !== undefined && value !== null) this.attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const key of Object.keys(attributes)) this.setAttribute(key, attributes[key]);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (this.#isEnded) return this;
    const isTime = isTimeInput(attributesOrTime);
    if (this.events.length >= MAX_EVENTS) {
      this.droppedEventsCount += 1;
      return this;
    }
    this.events.push({
      name,
      time: hrTime(time ?? (isTime ? attributesOrTime : Date.now())),
      attributes: isTime ? {} : { ...attributesOrTime },
    });
    return this;
  }

  addLink(link: Link): this {
    this.links.push(link);
    return this;
  }

  addLinks(links: Link[]): this {
    this.links.push(...links);
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    const { code, name, message, stack }: Told =
      typeof exception === 'string' ? { message: exception } : Object(exception);
    const type = code === undefined ? name : String(code);
    this.addEvent(
      'exception',
      {
        ...(type === undefined ? {} : { 'exception.type': type }),
        ...(message === undefined ? {} : { 'exception.message': message }),
        ...(stack === undefined ? {} : { 'exception.stacktrace': stack }),
      },
      time,
    );
  }

  setStatus(status: SpanStatus): this {
    if (!this.#isEnded && status.code !== 0 && this.status.code !== 1) this.status = status;
    return this;
  }

  updateName(name: string): this {
    this.name = name;
    return this;
  }

  end(endTime?: TimeInput): void {
    if (this.#isEnded) return;
    this.endTime =
      endTime === undefined ? later(this.startTime, performance.now() - this.#begun) : hrTime(endTime);
    this.#listener.onEnd(this);
    this.#isEnded = true;
  }
}

type Told = { code?: string | number; name?: string; message?: string; stack?: string };

function isTimeInput(value: unknown): value is TimeInput {
  return typeof value === 'number' || value instanceof Date || Array.isArray(value);
}

function hrTime(time: TimeInput): HrTime {
  if (Array.isArray(time)) return time;
  const given = typeof time === 'number' ? time : time.getTime();
  // What is below this process's age is a reading of `performance.now()`.
  const milliseconds = given <= performance.now() ? performance.timeOrigin + given : given;
  const seconds = Math.floor(milliseconds / 1_000);
  return [seconds, Math.round((milliseconds - seconds * 1_000) * 1e6)];
}

function later([seconds, nanos]: HrTime, milliseconds: number): HrTime {
  const total = nanos + Math.max(0, Math.round(milliseconds * 1e6));
  return [seconds + Math.floor(total / 1e9), total % 1e9];
}
