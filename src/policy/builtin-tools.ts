import type { ToolRule } from './document.ts';

/**
 * What common tools are about, by the words of their names: EHR and FHIR servers, payments, databases, mail and chat,
 * the web, files, shells, secrets. Only what a name says surely is said: a tool that no rule knows is confidential.
 */
export const COMMON_TOOLS: ToolRule[] = [
  {
    id: 'builtin.health',
    match: [
      '*{fhir,hl7,ehr,dicom,epic_,cerner,athenahealth}*',
      '*{patient,medical_record,lab_result,prescription,medication,diagnos,treatment,immunization}*',
    ],
    domains: ['hipaa'],
    classification: 'restricted',
    tags: ['health'],
    pseudonyms: { name: 'patient_name' },
  },
  {
    id: 'builtin.fhir',
    match: ['*fhir*'],
    where: [{ path: 'arguments.resourceType', in: ['*'] }],
    resource: {
      type: 'fhir',
      id: ['arguments.id', 'arguments.patient', 'arguments.subject.reference', 'result.id'],
      subject: ['arguments.patient', 'arguments.subject.reference'],
    },
    domains: ['hipaa'],
    classification: 'restricted',
  },
  {
    id: 'builtin.money',
    match: [
      '{stripe,adyen,braintree,paypal,square,plaid}*',
      '*{payment,refund,invoice,payout,chargeback,bank_transfer,wire_transfer,apply_credit}*',
    ],
    domains: ['financial'],
    classification: 'confidential',
    tags: ['money'],
  },
  {
    id: 'builtin.databases',
    match: [
      '{sql,database,postgres,postgresql,mysql,sqlite,mssql,snowflake,bigquery,clickhouse,mongodb,redis,dynamodb}*',
      '*{query_database,execute_sql,run_sql,run_query,sql_query,db_query}*',
    ],
    domains: [],
    classification: 'confidential',
    tags: ['database'],
  },
  {
    id: 'builtin.messages.common',
    match: [
      '*{gmail,outlook,slack,teams_,smtp,twilio,whatsapp,telegram}*',
      'send_{sms,mail,email,message,chat}*',
    ],
    domains: [],
    classification: 'confidential',
    tags: ['disclosure'],
  },
  {
    id: 'builtin.web',
    match: [
      '{http,https,fetch,browser,browse,curl}_*',
      '{fetch,curl}',
      '*{web_search,http_request,fetch_url,web_fetch}*',
    ],
    domains: [],
    classification: 'internal',
    tags: ['network'],
  },
  {
    id: 'builtin.files',
    match: [
      '{read,write,edit,create,delete,append,move,copy,search,list}_{file,files,directory,directories}*',
      '{file,fs,filesystem}_*',
    ],
    domains: [],
    classification: 'confidential',
    tags: ['files'],
  },
  {
    id: 'builtin.code',
    match: [
      '{shell,bash,terminal,powershell,python,code_interpreter}{,_*}',
      '{run,execute}_{command,shell,bash,code,python,script}*',
    ],
    domains: [],
    classification: 'confidential',
    tags: ['code_execution'],
  },
  {
    id: 'builtin.secrets',
    match: ['{vault,kms,secret,secrets,secretsmanager}_*', '*{get_secret,read_secret,list_secrets}*'],
    domains: [],
    classification: 'restricted',
    tags: ['secrets'],
  },
];
