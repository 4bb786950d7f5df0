// The parts of the page below the charts, each brought up to date from what /status tells.

import { at, el, facts, keyed, mark, say, table, tell } from '/assets/dom.js';
import { chart } from '/assets/charts.js';
import { history, points } from '/assets/history.js';
import { age, bytes, count, ms, none, rate, span, time } from '/assets/words.js';

const REJECTS_SHOWN = 20;

const number = 'number';

function standing(source) {
  if (source.silent_s === null) return { text: 'nothing yet', state: 'idle' };
  if (source.silent_s < 60) return { text: 'sending', state: 'well' };
  return { text: `silent for ${span(source.silent_s)}`, state: source.silent_s < 600 ? 'idle' : 'look' };
}

const alarming = (amount, text) => ({ text, state: amount > 0 ? 'look' : undefined });

const sources = table(at('sources'), [
  { title: 'Source', of: (of) => of.name },
  { title: 'Now', of: standing, kind: 'state' },
  { title: 'Accepted/s', of: (of) => rate(of.rate), kind: number },
  { title: 'Rejected/s', of: (of) => alarming(of.reject_rate, rate(of.reject_rate)), kind: number },
  { title: 'Accepted', of: (of) => count(of.accepted), kind: number },
  { title: 'Rejected', of: (of) => count(of.rejected), kind: number },
  { title: 'Bodies refused', of: (of) => count(of.refused), kind: number },
  { title: 'Last seen', of: (of) => ({ text: time(of.last_seen), title: of.last_seen ?? undefined }), kind: number },
], 'No source is configured: add [[sources]] to the configuration.');

const rejects = table(at('rejects'), [
  { title: 'When', of: (of) => ({ text: time(of.at), title: of.at }), kind: 'when' },
  { title: 'Source', of: (of) => of.source },
  { title: 'Code', of: (of) => of.code, kind: 'code' },
  { title: 'Reason', of: (of) => of.message, kind: 'wide' },
  { title: 'Example, as sent', of: (of) => of.example ?? '', kind: 'code wide' },
], 'Nothing was rejected since the start.');

const nobody = table(at('nobody'), [
  { title: 'What', of: (of) => of.what, kind: 'wide' },
  { title: 'Last minute', of: (of) => alarming(of.lately, count(of.lately)), kind: number },
  { title: 'Since the start', of: (of) => count(of.all), kind: number },
  { title: 'What to do', of: (of) => of.cure, kind: 'wide' },
], 'Nothing was turned away since the start.');

const NOBODY = [
  ['unauthorized', 'Requests without a known token', 'look for a sender with an old token, or a source that is disabled'],
  ['over_limit', 'Requests over the limit of one address', 'see limits.requests_per_minute, or rate_limit of the source'],
  ['no_room', 'Requests for which there was no room', 'see what waits; senders come back by themselves'],
  ['turned_away', 'Connections over limits.connections', 'see what holds so many, or raise it'],
  ['lost_their_way', 'Requests for paths or methods that are not there', 'metrics go to POST /metrics'],
];

const quotas = table(at('quotas'), [
  { title: 'Source', of: (of) => of.source },
  { title: 'What', of: (of) => of.what },
  { title: 'Limit', of: (of) => count(of.limit), kind: number },
  { title: 'Now', of: (of) => of.now, kind: number },
  { title: 'What is refused, and what grows', of: (of) => of.note, kind: 'wide' },
]);

function quotaRows({ name: source, quota }) {
  return Object.entries(quota ?? {}).map(([what, of]) => (what === 'series'
    ? { source, what, limit: of.limit, now: count(of.count), note: of.grows ? { text: of.grows.text, state: 'look' } : '' }
    : {
      source, what: `${what} a minute`, limit: of.per_minute, now: '',
      note: of.over > 0 ? { text: `${count(of.over)} requests were over it`, state: 'look' } : '',
    }));
}

const tokens = table(at('tokens'), [
  { title: 'Source', of: (of) => of.source },
  { title: 'Set by', of: (of) => of.key, kind: 'code' },
  { title: 'Last use', of: (of) => (of.last_used ? time(of.last_used) : 'none since the start'), kind: number },
  { title: 'Expires', of: (of) => (of.expires ? time(of.expires) : 'never'), kind: number },
]);

const letters = table(at('letters'), [
  { title: 'Receiver', of: (of) => of.name },
  { title: 'Letters', of: (of) => alarming(of.dead_letters.letters, count(of.dead_letters.letters)), kind: number },
  { title: 'Size', of: (of) => bytes(of.dead_letters.bytes), kind: number },
  { title: 'Room for', of: (of) => bytes(of.dead_letters.max_bytes), kind: number },
  {
    title: 'What to do',
    of: (of) => (of.dead_letters.letters > 0
      ? 'tidegate dead-letters ls says why; tidegate dead-letters replay tries again'
      : 'nothing'),
    kind: 'wide',
  },
], 'No receiver is configured.');

function limit(name, value) {
  if (value === null) return 'none';
  if (typeof value === 'object') return Object.entries(value).map(([key, of]) => `${key} ${limit(key, of)}`).join(', ');
  if (typeof value !== 'number') return String(value);
  if (name.endsWith('_bytes')) return bytes(value);
  if (name.endsWith('_s')) return span(value);
  if (name.endsWith('_rate')) return `${bytes(value)}/s`;
  return name.endsWith('_per_minute') && value === 0 ? 'off' : count(value);
}

/** What the last change of the configuration came to. */
function reload(of) {
  at('reload').hidden = !of?.at;
  if (!of?.at) return;
  const list = (items) => (items?.length ? items.map((item) => (item.text ?? String(item))).join('; ') : null);
  facts(at('reload'), [
    ['Configuration', of.ok ? `in effect since ${time(of.at)}` : `not taken over at ${time(of.at)}, the one before stays`,
      of.ok ? null : 'look'],
    list(of.changed) && ['Changed', list(of.changed)],
    list(of.needs_restart) && ['Needs a restart', list(of.needs_restart), 'look'],
    list(of.problems) && ['Problems', list(of.problems), 'look'],
    list(of.warnings) && ['Warnings', list(of.warnings)],
  ]);
}

function queue(told) {
  const { queue: of } = told;
  const share = of.limit_bytes ? of.bytes / of.limit_bytes : 0;
  let bar = at('queue-bar');
  if (!bar) {
    bar = el('div', { id: 'queue-bar', class: 'bar', role: 'meter', 'aria-label': 'How full the queue is',
      'aria-valuemin': '0', 'aria-valuemax': '100' }, el('div', {}));
    at('queue').append(bar);
  }
  const percent = (share * 100).toFixed(share < 0.1 ? 1 : 0);
  mark(bar, 'aria-valuenow', percent);
  mark(bar, 'aria-valuetext', `${percent} %`);
  mark(bar, 'data-state', share > 0.8 ? 'look' : 'well');
  bar.firstChild.style.width = `${Math.min(100, share * 100)}%`;
  facts(at('queue'), [
    ['Tuples', count(of.tuples)],
    ['Oldest', of.tuples > 0 ? age(of.oldest_age_s) : none],
    ['In use', `${bytes(of.bytes)} of ${bytes(of.limit_bytes)} (${percent} %)`],
    ['Full at this rate', of.full_in_s === null ? 'not in sight' : `in ${span(of.full_in_s)}`,
      of.full_in_s !== null && of.full_in_s < 6 * 3600 ? 'look' : null],
    of.disk_free_bytes !== null && ['Disk free', bytes(of.disk_free_bytes)],
    ['Durability', `${told.durability}: ${told.crash_loses}`],
  ]);
}

const STATES = {
  flowing: { text: 'flowing', state: 'well' },
  retrying: { text: 'retrying', state: 'look' },
  held: { text: 'held', state: 'trouble' },
};

function card(receiver) {
  const node = el('article', { class: 'card receiver' },
    el('h3', {}, el('span', { class: 'name' }), ' ', el('span', { class: 'badge' })),
    el('p', { class: 'quiet url' }),
    el('p', { class: 'why', hidden: '' }),
    el('div', { class: 'pair' }),
    el('div', { class: 'facts' }));
  const pair = node.querySelector('.pair');
  node.charts = {
    delivered: chart(pair, 'Delivered', 'tuples/s', rate, 'small out', receiver.name),
    latency: chart(pair, 'Latency', 'median', ms, 'small latency', receiver.name),
  };
  say(node.querySelector('.name'), receiver.name);
  return node;
}

function renew(node, of) {
  const { text, state } = STATES[of.state] ?? { text: 'not configured', state: 'look' };
  say(node.querySelector('.badge'), of.probing ? `${text}, probing` : text);
  mark(node.querySelector('.badge'), 'data-state', state);
  mark(node, 'data-state', state);
  say(node.querySelector('.url'), of.url ?? 'its tuples wait until it is configured again');
  const why = node.querySelector('.why');
  why.hidden = !of.why;
  const kept = of.backlog.max_bytes === null ? 'nothing is thrown away' : 'its oldest expire beyond `max_backlog_bytes`';
  tell(why, of.why ? `Held since ${time(of.since)}, ${kept}. ${of.why}` : '');
  const mine = history.receivers[of.name];
  node.charts.delivered(points(mine?.delivered), of.rate);
  node.charts.latency(points(mine?.latency_ms), of.latency_ms);
  const gone = ['expired', 'damaged', 'purged', 'lost'].filter((fate) => of.books[fate] > 0);
  facts(node.querySelector('.facts'), [
    ['Waiting', `${count(of.backlog.tuples)} tuples, ${bytes(of.backlog.bytes)}`],
    ['Oldest', of.backlog.tuples > 0 ? age(of.lag_seconds) : none],
    ['99 % within', ms(of.latency_p99_ms)],
    of.limit !== undefined && ['In flight', `${of.in_flight} of ${of.limit}, at most ${of.concurrency}`],
    ['Delivered', count(of.books.delivered)],
    ['Last success', time(of.last_success)],
    of.backlog.max_bytes !== null && ['May fall behind', bytes(of.backlog.max_bytes)],
    gone.length > 0 && ['Not delivered', gone.map((fate) => `${count(of.books[fate])} ${fate}`).join(', '), 'look'],
    of.cannot_read && ['Cannot be read', of.cannot_read, 'trouble'],
    ['Last error', of.last_error ? `${time(of.last_error.at)} ${of.last_error.text}` : 'none'],
  ]);
}

export function sections(told) {
  sources(told.sources, (of) => of.name);
  const all = told.sources.flatMap((of) => of.last_rejects.map((reject) => ({ source: of.name, ...reject })));
  all.sort((a, b) => (a.at < b.at ? 1 : -1));
  rejects(all.slice(0, REJECTS_SHOWN), (of) => JSON.stringify([of.source, of.code, of.message]));
  const rows = NOBODY.map(([name, what, cure]) =>
    ({ name, what, cure, all: told.edge[name], lately: told.edge.last_minute[name] }));
  nobody(rows.filter((of) => of.all > 0), (of) => of.name);
  queue(told);
  keyed(at('receivers'), told.receivers, (of) => of.name, card, renew);
  letters(told.receivers.filter((of) => of.dead_letters), (of) => of.name);
  const limited = told.sources.flatMap(quotaRows);
  at('quotas-card').hidden = limited.length === 0;
  quotas(limited, (of) => `${of.source} ${of.what}`);
  // One token that stays is nothing to watch; a change of tokens is.
  const turning = told.sources.filter((of) => of.tokens?.length > 1 || of.tokens?.some((token) => token.expires));
  const shown = turning.flatMap((of) => of.tokens.map((token) => ({ source: of.name, ...token })));
  at('tokens-card').hidden = shown.length === 0;
  tokens(shown, (of) => `${of.source} ${of.key}`);
  reload(told.reload);
  facts(at('limits'), Object.entries(told.limits).map(([name, value]) => [name, limit(name, value)]));
}
