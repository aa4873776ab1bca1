import { findAll, type Hit } from './hits.ts';

/** Keys and tokens as their issuers write them, after gitleaks' rules (MIT): prefix, then what makes it long. */
const ISSUED = [
  'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])', // AWS
  'gh[opsur]_[A-Za-z0-9]{20,}', // GitHub
  'github_pat_\\w{20,}',
  'gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[\\w-]{20,}', // GitLab
  'sk-(?:proj|ant|svcacct|admin|or|None)-[\\w-]{12,}', // OpenAI, Anthropic, OpenRouter
  'sk-[A-Za-z0-9]{32,}',
  '[rs]k_(?:live|test)_[A-Za-z0-9]{10,}', // Stripe
  'whsec_[\\w+/=-]{20,}',
  'xox[abeoprs](?:\\.xox[bp])?-[\\w-]{11,}', // Slack
  'xapp-[\\w-]{11,}',
  'hooks\\.slack\\.com/[\\w/-]{8,}',
  'AIza[\\w-]{30,}', // Google
  'ya29\\.[\\w-]{20,}',
  '1//0[\\w-]{38,}',
  'GOCSPX-[\\w-]{20,}',
  'npm_[A-Za-z0-9]{30,}',
  'pypi-[\\w-]{30,}',
  'rubygems_[0-9a-f]{40,}',
  'hf_[A-Za-z0-9]{30,}', // Hugging Face
  'gsk_[A-Za-z0-9]{40,}', // Groq
  'xai-[A-Za-z0-9]{40,}',
  'pplx-[A-Za-z0-9]{40,}', // Perplexity
  'r8_[A-Za-z0-9]{30,}', // Replicate
  'lsv2_(?:pt|sk)_[0-9a-f]{32}\\w*', // LangSmith
  'SG\\.[\\w-]{16,}\\.[\\w-]{16,}', // SendGrid
  'SK[0-9a-f]{32}(?![A-Za-z0-9])', // Twilio
  'key-[0-9a-f]{32}(?![A-Za-z0-9])', // Mailgun
  '[0-9a-f]{32}-us\\d{1,2}(?!\\w)', // Mailchimp
  'sq0(?:atp|csp|idp)-[\\w-]{22,}', // Square
  'EAAA[\\w-]{56,}',
  'shp(?:at|ca|pa|ss|tka)_[A-Fa-f0-9]{32}', // Shopify
  'do[opr]_v1_[0-9a-f]{64}', // DigitalOcean
  'dapi[0-9a-f]{32}(?:-\\d)?', // Databricks
  'hv[sbr]\\.[\\w-]{24,}', // HashiCorp Vault
  '[A-Za-z0-9]{14}\\.atlasv1\\.[\\w=-]{60,}', // Terraform
  'gl(?:c|sa)_[\\w+/=]{32,}', // Grafana
  'NRAK-[A-Z0-9]{27}', // New Relic
  'NRII-[\\w-]{32}',
  'NRJS-[0-9a-f]{19}',
  '[0-9a-f]{36}NRAL',
  'sntry[su]_[\\w+/=-]{40,}', // Sentry
  'PMAK-[0-9a-f]{24}-[0-9a-f]{34}', // Postman
  'tskey-[a-z]{3,12}-[\\w-]{16,}', // Tailscale
  'dckr_(?:pat|oat)_[\\w-]{24,}', // Docker
  'AGE-SECRET-KEY-1[0-9A-Z]{50,}',
  'lin_api_[A-Za-z0-9]{32,}', // Linear
  'ntn_[A-Za-z0-9]{40,}', // Notion
  'ATATT3[\\w=-]{60,}', // Atlassian
  'pscale_(?:tkn|pw|oauth)_[\\w=.-]{32,}', // PlanetScale
  'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.]{36,}', // Doppler
  'fm[12]_[\\w+/=]{60,}', // Fly
  'sbp_[0-9a-f]{40}', // Supabase
  'LTAI[A-Za-z0-9]{17,}', // Alibaba
  'discord(?:app)?\\.com/api/webhooks/\\d{15,}/[\\w-]{40,}',
  '[MNO][\\w-]{22,27}\\.[\\w-]{6}\\.[\\w-]{27,40}', // Discord
];
const TOKEN = new RegExp(`(?<![A-Za-z])(?:${ISSUED.join('|')})`, 'g');
/** Behind the digits of the bot's number, and behind a tilde in the middle: no letter stands before these. */
const TELEGRAM = /(?<!\d)\d{6,16}:AA[\w-]{30,}/g;
const AZURE_SECRET = /(?<=(?<![\w~.-])[\w~.-]{3}\d)Q~[\w~.-]{31,}/g;
/** It starts where a run of base64url does, or soon after: each run is read a bounded number of times. */
const JWT = /(?<![\w-])(?:[\w-]{0,64}-)?eyJ[\w-]{8,}\.(?:[\w-]*(?:\.[\w-]{8,}){3}|[\w-]{8,}(?:\.[\w-]*)?)/g;

/** Finds keys and tokens known by their form, in text that has a long run of letters and digits. */
export function findIssued(text: string, hits: Hit[]): void {
  findAll(TOKEN, text, hits);
  if (text.includes(':AA')) findAll(TELEGRAM, text, hits);
  if (text.includes('Q~')) findAll(AZURE_SECRET, text, hits);
  if (text.includes('eyJ')) findAll(JWT, text, hits);
}
