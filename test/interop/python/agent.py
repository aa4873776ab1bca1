"""An agent that answers one question with one tool, and exports what its instrumentation tells of it.

Nothing here writes a span of a model or tool call: what is exported is the instrumentation's own.
"""

import argparse
import json

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup_patient",
            "description": "Looks up a patient's record",
            "parameters": {
                "type": "object",
                "properties": {"patient_id": {"type": "string"}, "ssn": {"type": "string"}},
            },
        },
    }
]


def lookup_patient(patient_id, ssn):
    return {"patient_id": patient_id, "allergies": ["penicillin"]}


def answer(client, question):
    messages = [
        {"role": "system", "content": "You are a medical records assistant."},
        {"role": "user", "content": question},
    ]
    while True:
        response = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
        message = response.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = lookup_patient(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


def exporters(transport, endpoint):
    if transport == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint, insecure=True), OTLPLogExporter(endpoint, insecure=True)
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(f"{endpoint}/v1/traces"), OTLPLogExporter(f"{endpoint}/v1/logs")


def instrument(name, **providers):
    if name == "openai-v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    elif name == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(**providers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--instrumentation", required=True)
    parser.add_argument("--transport", choices=["http", "grpc"], required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--question", required=True)
    args = parser.parse_args()

    resource = Resource.create({"service.name": "medrec-assistant"})
    spans, logs = exporters(args.transport, args.endpoint)
    tracer_provider = TracerProvider(resource=resource)
    tracer_provider.add_span_processor(BatchSpanProcessor(spans))
    logger_provider = LoggerProvider(resource=resource)
    logger_provider.add_log_record_processor(BatchLogRecordProcessor(logs))
    trace.set_tracer_provider(tracer_provider)
    instrument(args.instrumentation, tracer_provider=tracer_provider, logger_provider=logger_provider)

    client = OpenAI(base_url=args.model_url, api_key="none")
    with trace.get_tracer("medrec").start_as_current_span("POST /ask", attributes={"user.id": "nurse-17"}):
        print(answer(client, args.question))
    tracer_provider.shutdown()
    logger_provider.shutdown()


main()
