#!/usr/bin/env node
import { Argument, Command, CommanderError, Option } from 'commander';
import { VERSION } from '../config/package.ts';
import { QUESTIONS } from '../report/questions.ts';
import type { LedgerOptions } from './ledger.ts';
import { fail, type Output, output } from './output.ts';

/** Each command is a file of its own, loaded when it is called: `--help` opens no database. */
function program(run: (work: (out: Output) => Promise<number>, json: boolean) => Promise<void>): Command {
  const cli = new Command('spanledger')
    .description(
      'An audit ledger for AI agents: OpenTelemetry spans in, hash-chained records in ClickHouse, proof out.',
    )
    .version(VERSION)
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  spanledger demo\n  spanledger ingest traces.json && spanledger verify\n\nExit codes: 0 ok; 1 tampered, the store has lost what it had confirmed, or a check of doctor fails; 2 usage or configuration; 3 store busy or unreachable; 4 refused by policy; 5 nothing proven',
    );

  const command = (name: string, description: string, example: string, parent = cli) =>
    parent
      .command(name)
      .description(description)
      .option('--dir <dir>', 'directory of the ledger (default: SPANLEDGER_DIR, else ./.spanledger)')
      .option('--url <url>', 'a ClickHouse server instead of the embedded one (default: CLICKHOUSE_URL)')
      .option(
        '--config <file>',
        'settings (default: SPANLEDGER_CONFIG, else spanledger.yaml in the directory)',
      )
      .option('--json', 'print one JSON document on stdout')
      .addHelpText('after', `\nExample:\n  ${example}`);
  const act = <O extends LedgerOptions>(options: O, work: (out: Output) => Promise<number>) =>
    run(work, options.json === true);

  command(
    'demo',
    'record a medical-records agent, verify the ledger, tamper with a copy and find it',
    'spanledger demo --keep',
  )
    .option('--keep', 'leave the ledger behind, in ./.spanledger unless --dir says where')
    .action((options) => act(options, async (out) => (await import('./demo.ts')).demo(options, out)));

  command(
    'init',
    'make a directory with its ledger id, its key, and commented settings',
    'spanledger init --dir ./.spanledger',
  ).action((options) => act(options, async (out) => (await import('./init.ts')).initCommand(options, out)));

  command(
    'doctor',
    'look at keys, permissions, clock, disk, store, grants and tools of a deployment, and say what to do',
    'spanledger doctor --dir ./.spanledger --json',
  ).action((options) =>
    act(options, async (out) => (await import('./doctor.ts')).doctorCommand(options, out)),
  );

  command(
    'serve',
    'take OTLP over HTTP and gRPC, answer when it is durable, and carry it to ClickHouse',
    'spanledger serve --otlp-listen 127.0.0.1:4318',
  )
    .option(
      '--otlp-listen <host:port>',
      'where to take OTLP/HTTP (default: 127.0.0.1:4318); port 0 is a free one',
    )
    .option('--otlp-grpc-listen <host:port>', 'where to take OTLP/gRPC (default: 127.0.0.1:4317)')
    .option(
      '--admin-listen <host:port>',
      'where /metrics, /healthz and /readyz are (default: 127.0.0.1:4319)',
    )
    .action((options) =>
      act(options, async (out) => (await import('./serve.ts')).serveCommand(options, out)),
    );

  command(
    'ingest',
    'record the spans of OTLP files, and the content in their logs: JSON, JSON by line or protobuf',
    'spanledger ingest traces.json logs.pb --dir ./.spanledger',
  )
    .argument('<file...>', 'files, or - for standard input')
    .option('--explain', 'tell of each span what it became, and why')
    .action((files, options) =>
      act(options, async (out) => (await import('./ingest.ts')).ingest(files, options, out)),
    );

  command('verify', 'check every hash, link, column and signature of the ledger', 'spanledger verify --json')
    .option('--conversation <id>', 'only the chains that hold records of this conversation')
    .option('--resource <id>', 'only the chains that hold records of this resource')
    .option('--from <time>', 'only the chains that hold records from this time on')
    .option('--to <time>', 'and before this one')
    .option(
      '--trust <file>',
      "whom to believe: public keys, or a C2SP policy (default: the directory's trust)",
    )
    .option(
      '--anchor <dir...>',
      'folders that hold checkpoints of the ledger, beside the anchors of the settings',
    )
    .option(
      '--tsa-ca <file>',
      'roots of the timestamp authorities to believe, PEM (default: those in the settings)',
    )
    .option('--state <file>', "what was seen last time (default: the directory's verify-state.json)")
    .option('--incremental', 'read only what is new since that')
    .option('--archive <folder>', 'an exported ledger, by its files and --trust alone')
    .option('--full', 'read every payload for its canonical form, also what a checkpoint of its chain covers')
    .addOption(
      new Option('--engine <engine>', 'where hashes are computed').choices(['sql', 'node']).default('sql'),
    )
    .action((options) =>
      act(options, async (out) =>
        options.archive === undefined
          ? (await import('./verify.ts')).verifyCommand(options, out)
          : (await import('./verify-archive.ts')).verifyArchiveCommand(options, out),
      ),
    );

  command(
    'prove',
    "write one record's proof to a file that needs neither this ledger nor this program to be checked",
    'spanledger prove 5f0c3b1e9a7d4c2f8e6b0a1d2c3f4e5a:3 --without-payload',
  )
    .argument('<record>', 'the id of a record, CHAIN:SEQ')
    .option('--out <file>', 'where to write it (default: CHAIN-SEQ.proof here)')
    .option('--without-payload', 'prove that it is there, and show nothing of what it says')
    .option('--trust <file>', "whom the reader will believe (default: the directory's trust file)")
    .action((id, options) =>
      act(options, async (out) => (await import('./prove.ts')).proveCommand(id, options, out)),
    );

  command(
    'check-proof',
    'check a proof file with nothing but the public key of its ledger',
    'spanledger check-proof 5f0c3b1e9a7d4c2f8e6b0a1d2c3f4e5a-3.proof --trust trust',
  )
    .argument('<file>', 'what prove wrote, or - for standard input')
    .option(
      '--trust <file>',
      "public keys of ledgers a line, or a C2SP policy (default: the directory's trust file)",
    )
    .action((file, options) =>
      act(options, async (out) => (await import('./check-proof.ts')).checkProofCommand(file, options, out)),
    );

  command(
    'checkpoint',
    'list how far every chain has come, sign it with the ledger’s key, and bring it to the anchors, now',
    'spanledger checkpoint --json',
  ).action((options) =>
    act(options, async (out) => (await import('./checkpoint.ts')).checkpointCommand(options, out)),
  );

  const keys = cli
    .command('keys')
    .description(
      'the key that signs for the ledger: init, show, rotate; abandon a chain whose journal is lost',
    )
    .addHelpText('after', '\nExample:\n  spanledger keys show --json')
    .helpCommand(false);
  command(
    'init',
    'make the ledger’s key and the trust file',
    'spanledger keys init --dir ./.spanledger',
    keys,
  ).action((options) => act(options, async (out) => (await import('./keys.ts')).keysInit(options, out)));
  command(
    'show',
    'the public keys: the ledger’s, those trusted here, its writers’',
    'spanledger keys show --json',
    keys,
  ).action((options) => act(options, async (out) => (await import('./keys.ts')).keysShow(options, out)));
  command(
    'rotate',
    'sign with a new key from now on; both keys say so in the ledger',
    'spanledger keys rotate',
    keys,
  )
    .option('--destroy-old', 'overwrite the old key instead of keeping it beside the new one')
    .action((options) => act(options, async (out) => (await import('./keys.ts')).keysRotate(options, out)));
  command(
    'abandon',
    'say of an open chain whose journal is lost that it goes no further',
    'spanledger keys abandon 5f0c3b1e9a7d4c2f8e6b0a1d2c3f4e5a --reason "its disk is gone"',
    keys,
  )
    .argument('<chain>', 'the id of a chain')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--actor <name>', "who says it (default: the operating system's user)")
    .action((chain, options) =>
      act(options, async (out) => (await import('./keys.ts')).keysAbandon(chain, options, out)),
    );

  const retention = cli
    .command('retention')
    .description('what leaves the ledger, on schedule and never otherwise: run, status')
    .addHelpText('after', '\nExample:\n  spanledger retention status')
    .helpCommand(false);
  command(
    'run',
    'let go of what has expired, is archived where it must be, and is not on hold',
    'spanledger retention run --dry-run',
    retention,
  )
    .option('--dry-run', 'only say what would go')
    .action((options) =>
      act(options, async (out) => (await import('./retention.ts')).retentionRunCommand(options, out)),
    );
  command(
    'status',
    'by class and month of expiry: records, due, held, archived, overdue; and the next run',
    'spanledger retention status --json',
    retention,
  ).action((options) =>
    act(options, async (out) => (await import('./retention.ts')).retentionStatusCommand(options, out)),
  );

  const archive = cli
    .command('archive')
    .description('the copies of what may expire, in the folder that retention.archive names: list, verify')
    .addHelpText('after', '\nExample:\n  spanledger archive list')
    .helpCommand(false);
  command(
    'list',
    'archives of closed partitions, and whether the ledger confirms them; 1 where one that it confirms is missing',
    'spanledger archive list --json',
    archive,
  ).action((options) =>
    act(options, async (out) => (await import('./archive.ts')).archiveListCommand(options, out)),
  );
  command(
    'verify',
    'check signature, bytes and rows of every archive of a folder, by the files and the public key alone',
    'spanledger archive verify /srv/spanledger-archives --trust ledger.vkey',
    archive,
  )
    .argument('[folder]', "of archives, or of one (default: retention.archive's in the settings)")
    .option('--trust <file>', "the ledger's public keys (default: the directory's trust)")
    .action((folder, options) =>
      act(options, async (out) => (await import('./archive.ts')).archiveVerifyCommand(folder, options, out)),
    );

  const hold = cli
    .command('hold')
    .description('legal holds, under which nothing is purged or erased: place, release, list')
    .addHelpText('after', '\nExample:\n  spanledger hold list')
    .helpCommand(false);
  command(
    'place',
    'from now on keep all that matches: every kind given, and of several of a kind any',
    'spanledger hold place --case "Roe v. Clinic" --reason litigation --actor ann --subject P-100',
    hold,
  )
    .requiredOption('--case <name>', 'the case that it is for; it is recorded')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--actor <name>', "who places it (default: the operating system's user)")
    .option('--until <time>', 'when to look whether it is still needed: it holds on until it is released')
    .option('--subject <id...>', 'people whom the data is about, raw or as pseudonyms')
    .option('--conversation <id...>', 'conversations')
    .option('--user <id...>', 'people on whose behalf, or by whom')
    .option('--resource <id...>', 'what was touched')
    .option('--chain <id...>', 'chains, also what will come in them')
    .option('--from <time>', 'what happened from this time on')
    .option('--to <time>', 'and before this one')
    .option('--tenant <name>', 'whose records (default: default)')
    .action((options) =>
      act(options, async (out) => (await import('./hold.ts')).holdPlaceCommand(options, out)),
    );
  command(
    'release',
    'end a hold, by somebody else than who placed it',
    'spanledger hold release hold-5f0c3b1e9a7d4c2f --reason "case closed" --actor ben',
    hold,
  )
    .argument('<hold>', 'the id of a hold, as `hold list` names it')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--actor <name>', "who releases it (default: the operating system's user)")
    .action((id, options) =>
      act(options, async (out) => (await import('./hold.ts')).holdReleaseCommand(id, options, out)),
    );
  command('list', 'holds in force, and what they cover', 'spanledger hold list --all', hold)
    .option('--all', 'those that were released, too')
    .action((options) =>
      act(options, async (out) => (await import('./hold.ts')).holdListCommand(options, out)),
    );

  command(
    'erase',
    'what is there of a person, what of it may go and what must stay; then erase it, wherever it is',
    'spanledger erase --subject - --reason "request 17" --actor ann --certificate request-17.txt < ids.txt',
  )
    .option('--subject <id...>', 'one person, raw or as pseudonyms; - for one a line on standard input')
    .option('--plan', 'only say what would go, and what stays and why')
    .option('--reason <text>', 'why; it is recorded')
    .option('--actor <name>', "who does it (default: the operating system's user)")
    .option('--tenant <name>', 'whose records (default: default)')
    .option('--request <id>', 'go on with a request, and certify it anew')
    .option('--due', 'go on with all requests of which something may go now')
    .option('--certificate <file>', 'write the certificate of destruction there')
    .action((options) =>
      act(options, async (out) => (await import('./erase.ts')).eraseCommand(options, out)),
    );

  command('timeline', 'a conversation as it happened, a line a record', 'spanledger timeline conv-7f3a')
    .argument('<conversation>', 'the conversation id')
    .action((id, options) =>
      act(options, async (out) => (await import('./timeline.ts')).timelineCommand(id, options, out)),
    );

  command(
    'query',
    'by_tool, by_conversation, by_user or failures: the questions asked most',
    'spanledger query by_tool --tool lookup_patient --json',
  )
    .addArgument(new Argument('<question>', 'what to ask').choices(QUESTIONS))
    .option('--tool <name>', 'by_tool: of this tool only')
    .option('--conversation <id>', 'by_conversation: of which one')
    .option('--user <id>', 'by_user: of whom')
    .option('--since <time>', 'from this time on: RFC 3339, a date, or 30m, 24h, 7d ago')
    .action((question, options) =>
      act(options, async (out) => (await import('./query.ts')).queryCommand(question, options, out)),
    );

  command(
    'content',
    'what was said, of a record whose contents are vaulted; who reads it and why is recorded first',
    'spanledger content 5f0c3b1e9a7d4c2f8e6b0a1d2c3f4e5a:3 --reason "complaint 4711"',
  )
    .argument('<record>', 'the id of a record, CHAIN:SEQ')
    .requiredOption('--reason <text>', 'why it is read')
    .option('--actor <name>', 'who reads it (default: the user of this system)')
    .option('--field <name>', 'prompt, answer, arguments or result; else all there is')
    .action((id, options) =>
      act(options, async (out) => (await import('./content.ts')).contentCommand(id, options, out)),
    );

  command(
    'policy',
    'explain TOOL [ARGS.json]: what would be recorded of a call, and why',
    'spanledger policy explain issue_refund arguments.json',
  )
    .addArgument(new Argument('<what>', 'what to do').choices(['explain']))
    .argument('<tool>', 'the name of a tool')
    .argument(
      '[arguments]',
      'a JSON file with its arguments, or with arguments and result; - for standard input',
    )
    .option('--purpose <purpose>', 'also with this purpose of use: whether the call may run')
    .action((_what, tool, args, options) =>
      act(options, async (out) => (await import('./policy.ts')).explainCommand(tool, args, options, out)),
    );

  const pseudonym = cli
    .command('pseudonym')
    .description('the keyed pseudonyms that stand for people: resolve, rotate')
    .addHelpText('after', '\nExample:\n  spanledger pseudonym resolve --help')
    .helpCommand(false);
  command(
    'resolve',
    'under which pseudonyms a value stands in the ledger, or which of some candidates a pseudonym is',
    "spanledger pseudonym resolve - --kind subject --reason 'access request 17' < ids.txt",
    pseudonym,
  )
    .argument(
      '<value...>',
      'values or pseudonyms; - for one a line on standard input: what is on the command line, `ps` shows to everybody',
    )
    .requiredOption('--reason <text>', 'why; it is recorded, with the pseudonyms and without the values')
    .option('--actor <name>', "who asks (default: the operating system's user)")
    .option('--kind <kind>', 'pseudonyms of this kind only, such as subject, ssn or patient_name')
    .option('--tenant <name>', 'whose records (default: default)')
    .option('--among <file>', 'candidates, one a line, or - for standard input: which of them a pseudonym is')
    .action((values, options) =>
      act(options, async (out) => (await import('./resolve.ts')).resolveCommand(values, options, out)),
    );
  command(
    'rotate',
    'write pseudonyms under a new key from now on; the keys before it still recognise',
    'spanledger pseudonym rotate --reason yearly',
    pseudonym,
  )
    .option('--id <id>', 'what the new key is called (default: k2 after k1, and so on)')
    .option('--retire <id>', 'make none, and take this old key out: nobody is recognised under it afterwards')
    .option('--reason <text>', 'why; it is recorded. --retire needs it')
    .option('--actor <name>', "who does it (default: the operating system's user)")
    .action((options) =>
      act(options, async (out) => (await import('./rotate.ts')).rotateCommand(options, out)),
    );

  command(
    'quarantine',
    'the spans that could not be understood: kept, redacted, and counted',
    'spanledger quarantine --json',
  )
    .argument('[digest]', 'all that is kept of this one')
    .action((digest, options) =>
      act(options, async (out) => (await import('./quarantine.ts')).quarantineCommand(digest, options, out)),
    );

  command(
    'token',
    'make a token for a sender or a reader, and the settings that know it',
    'spanledger token --subject claims-agent --rights ingest',
  )
    .requiredOption('--subject <name>', 'the person or system that holds it')
    .option('--tenant <name>', 'whose records it sends and sees; without it, any')
    .option('--rights <rights>', 'some of ingest, read, report, admin', 'ingest')
    .action((options) =>
      act(options, async (out) => (await import('./token.ts')).tokenCommand(options, out)),
    );

  command(
    'export',
    'write the whole ledger to files that are verified without it, with a signed list of them',
    'spanledger export parquet --out ledger-2026-03-01',
  )
    .addArgument(new Argument('<format>', 'of the files').choices(['parquet']))
    .requiredOption('--out <folder>', 'where to: a folder that is empty, or is made')
    .action((_format, options) =>
      act(options, async (out) => (await import('./export.ts')).exportCommand(options, out)),
    );

  command(
    'sql',
    'one read-only query on the ledger',
    'spanledger sql "SELECT action, count() FROM spanledger.audit_records GROUP BY action"',
  )
    .argument('<query>', 'ClickHouse SQL, without FORMAT')
    .action((query, options) =>
      act(options, async (out) => (await import('./sql.ts')).sqlCommand(query, options, out)),
    );

  command(
    'migrate',
    "bring the database to this version's schema",
    'spanledger migrate --url http://localhost:8123',
  ).action((options) =>
    act(options, async (out) => (await import('./migrate.ts')).migrateCommand(options, out)),
  );

  return cli;
}

async function main(): Promise<void> {
  const run = async (work: (out: Output) => Promise<number>, json: boolean) => {
    try {
      process.exitCode = await work(output(json));
    } catch (error) {
      process.exitCode = fail(error, json);
    }
  };
  const cli = program(run);
  cli.exitOverride();
  for (const each of cli.commands.flatMap((one) => [one, ...one.commands]))
    each.exitOverride().showHelpAfterError('(see --help for an example)');
  try {
    await cli.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander says what was wrong itself; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

// Whoever reads may stop reading: `spanledger timeline … | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

await main();
