// The status page: listens to /events and shows what comes. It says when nothing comes any more, and goes on by
// itself once something does.

import { at, el, keyed, mark, say, tell } from '/assets/dom.js';
import { chart } from '/assets/charts.js';
import { add, begin, delivered, history, points } from '/assets/history.js';
import { sections } from '/assets/sections.js';
import { count, rate, span, time } from '/assets/words.js';

// Events come every second; after this long without one the gateway is as good as gone.
const SILENCE_MS = 4000;
const RETRY_MS = 1000;
// Between attempts that bring nothing, at most: an answer that is merely late must not be cut off for ever.
const PAUSE_MS_MAX = 60000;

const charts = {
  accepted: chart(at('chart-accepted'), 'Coming in', 'metrics/s', rate, 'in'),
  rejected: chart(at('chart-rejected'), 'Rejected', 'metrics/s', rate, 'bad'),
  waiting: chart(at('chart-waiting'), 'Waiting', 'tuples', count, 'wait'),
  delivered: chart(at('chart-delivered'), 'Going out', 'tuples/s', rate, 'out'),
};

const LEVELS = { trouble: 'Trouble', look: 'Worth a look', well: 'Well' };

let version = null;
let said = null;
let heard = null;
let events = null;
let begun = 0;
let pause = SILENCE_MS;

function show(told) {
  if (version !== null && version !== told.version) {
    // The gateway was replaced by another version, which has a page of its own.
    location.reload();
    return;
  }
  version = told.version;
  at('live').hidden = false;
  say(at('version'), told.version);
  say(at('uptime'), `up ${span(told.uptime_s)}, since ${time(told.started)}`);
  verdict(told);
  charts.accepted(points(history.accepted), told.rates.accepted);
  charts.rejected(points(history.rejected), told.rates.rejected);
  charts.waiting(points(history.queue_tuples), told.queue.tuples);
  charts.delivered(delivered(), told.rates.delivered);
  sections(told);
}

function verdict(told) {
  const { state, text } = told.summary;
  mark(at('verdict'), 'data-state', state);
  tell(at('summary'), text);
  // Read aloud when something happened, and not for every second that a number grows by.
  const words = text.replace(/[0-9.,]+/g, '0');
  if (words !== said) {
    said = words;
    say(at('say'), text);
  }
  const troubles = told.problems.filter((problem) => problem.level === 'trouble').length;
  const title = state === 'well' ? 'tidegate' : state === 'look' ? '(!) tidegate' : `(${troubles}!) tidegate`;
  if (document.title !== title) document.title = title;
  mark(at('icon'), 'href', `/assets/${state}.svg`);
  // The worst is the sentence above.
  const listed = told.problems.slice(1);
  const key = (problem) => `${problem.about} ${problem.text}`;
  const make = () => el('li', {}, el('span', { class: 'badge' }), ' ', el('span', {}));
  keyed(at('problems'), listed, key, make, (node, problem) => {
    mark(node.firstChild, 'data-state', problem.level);
    say(node.firstChild, LEVELS[problem.level]);
    tell(node.lastChild, problem.text);
  });
}

function link(state, text) {
  mark(at('link'), 'data-link', state);
  mark(document.body, 'data-link', state);
  say(at('link-text'), text);
}

function gone() {
  const text = heard ? `no answer since ${time(heard)}, trying again` : 'no answer yet, trying again';
  link('gone', text);
  if (heard) {
    mark(at('verdict'), 'data-state', 'gone');
    tell(at('summary'), `No answer since ${time(heard)}, trying again. What stands below was so then.`);
  }
  // Once, and not for every attempt.
  if (said !== 'gone') {
    said = 'gone';
    say(at('say'), `tidegate: ${text}`);
    document.title = '(?) tidegate';
  }
}

function came(use) {
  return (event) => {
    const told = JSON.parse(event.data);
    heard = Date.now();
    pause = SILENCE_MS;
    link('live', `live, ${time(heard)}`);
    use(told);
  };
}

function listen() {
  events?.close();
  begun = Date.now();
  events = new EventSource('/events');
  events.addEventListener('history', came(begin));
  events.addEventListener('points', came(add));
  events.addEventListener('status', came(show));
  events.addEventListener('error', () => {
    gone();
    // The browser tries again by itself, unless the answer was none of ours: a proxy's, say.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  });
}

// A connection may be open and dead: a machine that slept, a proxy that forgot.
setInterval(() => {
  if (heard === null || Date.now() - heard <= SILENCE_MS) return;
  gone();
  if (Date.now() - Math.max(heard, begun) > pause) {
    pause = Math.min(pause * 2, PAUSE_MS_MAX);
    listen();
  }
}, 1000);

at('link').hidden = false;
listen();
