import { endOf, findAll, type Hit } from './hits.ts';
import { ISSUED as BEGINS_ISSUED, eachWord, markWords, type Traits } from './traits.ts';

/** Keys and tokens as their issuers write them, after gitleaks' rules (MIT): prefix, then what makes it long. */
const ISSUED = [
  'A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])', // AWS
  'gh[opsur]_[A-Za-z0-9]{20,}', // GitHub
  'github_pat_\\w{20,}',
  'gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[\\w-]{20,}', // GitLab
  'GR1348941[\\w-]{20,}',
  'sk-(?:proj|ant|svcacct|admin|or|None)-[\\w-]{12,}', // OpenAI, Anthropic, OpenRouter
  'sk-[A-Za-z0-9]{32,}',
  'sk-lf-[0-9a-f-]{36}', // Langfuse
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
  'sq0(?:atp|csp|idp)-[\\w-]{22,}', // Square
  'EAA[A-Z][\\w-]{56,}', // Square, Facebook
  'access_token\\$production\\$[a-z0-9]{16}\\$[0-9a-f]{32}', // PayPal's Braintree
  'EZ[AT]K[A-Za-z0-9]{54}', // EasyPost
  'FLWSECK(?:_TEST)?-[\\w-]{20,}', // Flutterwave
  'shippo_(?:live|test)_[0-9a-f]{40}',
  'duffel_(?:live|test)_[\\w-]{43}',
  'shp(?:at|ca|pa|ss|tka)_[A-Fa-f0-9]{32}', // Shopify
  'do[opr]_v1_[0-9a-f]{64}', // DigitalOcean
  'dapi[0-9a-f]{32}(?:-\\d)?', // Databricks
  'hv[sbr]\\.[\\w-]{24,}', // HashiCorp Vault
  'gl(?:c|sa)_[\\w+/=]{32,}', // Grafana
  'NRAK-[A-Z0-9]{27}', // New Relic
  'NRII-[\\w-]{32}',
  'NRJS-[0-9a-f]{19}',
  'sntry[su]_[\\w+/=-]{40,}', // Sentry
  'PMAK-[0-9a-f]{24}-[0-9a-f]{34}', // Postman
  'tskey-[a-z]{3,12}-[\\w-]{16,}', // Tailscale
  'dckr_(?:pat|oat)_[\\w-]{24,}', // Docker
  'AGE-SECRET-KEY-1[0-9A-Z]{50,}',
  'lin_api_[A-Za-z0-9]{32,}', // Linear
  'ntn_[A-Za-z0-9]{40,}', // Notion
  'AT[AC]TT3[\\w=-]{60,}', // Atlassian
  'ATBB[A-Za-z0-9]{32}(?![A-Za-z0-9])', // Bitbucket
  'pscale_(?:tkn|pw|oauth)_[\\w=.-]{32,}', // PlanetScale
  'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.]{36,}', // Doppler
  'fm[12]_[\\w+/=]{60,}', // Fly
  'sbp_[0-9a-f]{40}', // Supabase
  'fo1_[\\w-]{43}',
  'HRKU-[\\w-]{36,}', // Heroku
  'nfp_[A-Za-z0-9]{36,}', // Netlify
  'cio[A-Za-z0-9]{32}(?![A-Za-z0-9])', // crates.io
  'oy2[a-z0-9]{43}(?![A-Za-z0-9])', // NuGet
  'xkeysib-[0-9a-f]{64}-\\w{16}', // Brevo
  're_(?=\\w{0,40}\\d)[A-Za-z0-9]{6,}_[A-Za-z0-9]{20,}', // Resend
  'pcsk_[A-Za-z0-9]{4,}_[A-Za-z0-9]{40,}', // Pinecone
  'nvapi-[\\w-]{60,}', // NVIDIA
  'tvly-(?:dev-|prod-)?[A-Za-z0-9]{30,}', // Tavily
  'ph[cx]_[A-Za-z0-9]{40,}', // PostHog
  'pul-[0-9a-f]{40}', // Pulumi
  'sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}', // Sourcegraph
  'sq[apu]_[0-9a-f]{40}', // SonarQube
  'secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])', // Notion, of old
  'fig[dou]r?_[\\w-]{40,}', // Figma
  'ops_eyJ[\\w=-]{40,}', // 1Password
  'CFPAT-[\\w-]{43}', // Contentful
  'AKCp[A-Za-z0-9]{60,}', // JFrog
  'CCIP(?:AT|RJ)_[\\w-]{20,}', // CircleCI
  'dt0c01\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}', // Dynatrace
  'LTAI[A-Za-z0-9]{17,}', // Alibaba
  'webhook\\.office\\.com/webhookb2/[\\w@/-]{20,}', // Teams
  'hooks\\.zapier\\.com/hooks/catch/[\\w/]{8,}',
  'discord(?:app)?\\.com/api/webhooks/\\d{15,}/[\\w-]{40,}',
];
const TOKEN = new RegExp(`(?:${ISSUED.join('|')})`, 'y');
/** How they begin: only there the expression is tried. */
markWords(
  'AKI ASI ABI ACC gho ghp ghs ghu ghr git glp gld glr glc glf gli gla gls glo GR1 sk- sk_ rk_ whs xox xap hoo AIz ya2 1// GOC npm pyp rub hf_ gsk xai ppl r8_ lsv SG. SK key sq0 EAA acc EZA EZT FLW shi duf shp doo dop dor dap hvs hvb hvr NRA NRI NRJ snt PMA tsk dck AGE lin ntn ATA ATC ATB psc dp. fm1 fm2 fo1 sbp HRK nfp cio oy2 xke re_ pcs nva tvl phc phx pul sgp sqa sqp squ sec fig ops CFP AKC CCI dt0 LTA web dis',
  BEGINS_ISSUED,
);
/** It starts where a run of base64url does, or soon after: each run is read a bounded number of times. */
const JWT = /(?<![\w-])(?:[\w-]{0,64}-)?eyJ[\w-]{8,}\.(?:[\w-]*(?:\.[\w-]{8,}){3}|[\w-]{8,}(?:\.[\w-]*)?)/g;

/** Of those that begin as anything may, what tells them stands further on, and is looked for first. */
const TOLD_LATER = [
  { needs: 'eyJ', expression: JWT },
  { needs: ':AA', expression: /(?<!\d)\d{6,16}:AA[\w-]{30,}/g }, // Telegram
  { needs: 'Q~', expression: /(?<=(?<![\w~.-])[\w~.-]{3}\d)Q~[\w~.-]{31,}/g }, // Azure
  { needs: '-us', expression: /(?<![A-Za-z0-9])[0-9a-f]{32}-us\d{1,2}(?!\w)/g }, // Mailchimp
  { needs: '.atlasv1.', expression: /(?<![\w-])\w{14}\.atlasv1\.[\w=-]{60,}/g }, // Terraform
  { needs: '.', expression: /(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\.[0-9a-f]{64}/g }, // Airtable
  // PASETO
  { needs: '.', expression: /(?<![\w.])v[1-4]\.(?:local|public)\.[\w-]{20,}(?:\.[\w-]+)?/g },
  { needs: 'NRAL', expression: /(?<![A-Za-z0-9])[0-9a-f]{36}NRAL/g }, // New Relic
  { needs: '.', expression: /(?<![\w-])[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}/g }, // Discord
];

/** Finds keys and tokens known by their form, in text that has a long run of letters and digits. */
export function findIssued(text: string, hits: Hit[], traits: Traits): void {
  eachWord(text, traits, BEGINS_ISSUED, (at) => {
    const end = endOf(TOKEN, text, at);
    if (end > at) hits.push({ start: at, end, kind: 'secret', rule: 'pattern' });
    return end;
  });
  for (const { needs, expression } of TOLD_LATER)
    if (text.includes(needs)) findAll(expression, text, hits, 'secret');
}
