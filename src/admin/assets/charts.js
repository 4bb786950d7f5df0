// Small charts of the last hour: a line over its area, with the same said in words.

import { el, say, mark } from '/assets/dom.js';
import { time } from '/assets/words.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [360, 56];
// A young gateway has a short chart, not an empty one.
const SPANS = [[5, '5 min ago'], [15, '15 min ago'], [30, '30 min ago'], [60, 'an hour ago']];
// Points further apart than this have nothing between them: the gateway was away.
const GAP = 35e3;

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

let charts = 0;

/** A chart called `name`, of `whose` if it is not of all; `update(points, now)` takes `[ms, number or null]` and the number of this moment. */
export function chart(parent, name, unit, show, kind, whose) {
  const title = whose ? `${name}, ${whose}` : name;
  charts += 1;
  const id = `chart-title-${charts}`;
  const picture = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-labelledby': id,
  });
  const words = svg('title', { id });
  const area = svg('path', { class: 'area' });
  const line = svg('path', { class: 'line' });
  picture.append(words, svg('path', { class: 'base', d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }), area, line);
  const number = el('span', { class: 'number' });
  const most = el('span', { class: 'most' });
  const since = el('span', {});
  const node = el('figure', { class: `chart ${kind}` },
    el('figcaption', {}, el('span', { class: 'chart-name' }, name), most),
    el('p', { class: 'chart-now' }, number, ' ', el('span', { class: 'unit' }, unit)),
    picture,
    el('p', { class: 'chart-axis', 'aria-hidden': 'true' }, since, el('span', {}, 'now')));
  parent.append(node);
  return (points, now) => {
    say(number, show(now));
    const wide = points.length > 0 ? points.at(-1)[0] - points[0][0] : 0;
    const [minutes, ago] = SPANS.find(([most]) => wide <= most * 60e3) ?? SPANS.at(-1);
    draw({ area, line }, points, minutes * 60e3);
    const known = points.filter(([, value]) => value !== null);
    if (known.length === 0) {
      say(words, `${title}, ${unit}: now ${show(now)}; the chart begins in a few seconds`);
      say(most, '');
      say(since, '');
      return;
    }
    const highest = known.reduce((best, point) => (point[1] > best[1] ? point : best));
    const top = highest[1] === 0 ? 'nothing' : `highest ${show(highest[1])} at ${time(highest[0])}`;
    say(words, `${title}, ${unit}, in the last ${Math.max(1, Math.round(wide / 60e3))} min: now ${show(now)}, ${top}`);
    say(most, highest[1] === 0 ? '' : `max ${show(highest[1])}`);
    say(since, ago);
  };
}

function draw({ area, line }, points, span) {
  const last = points.at(-1)?.[0] ?? 0;
  const top = Math.max(...points.map(([, value]) => value ?? 0), 0) || 1;
  const x = (at) => WIDTH * (1 - (last - at) / span);
  const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 4);
  const pieces = [];
  let before = -Infinity;
  for (const [at, value] of points) {
    if (value === null || last - at > span) continue;
    if (at - before > GAP) pieces.push([]);
    pieces.at(-1).push(`${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    before = at;
  }
  // One point alone would be nothing to see: it gets a width.
  const widened = ([point]) => {
    const [left, top] = point.split(' ');
    return [`${(left - 2).toFixed(1)} ${top}`, point];
  };
  const drawn = pieces.map((piece) => (piece.length > 1 ? piece : widened(piece)));
  mark(line, 'd', drawn.map((piece) => `M${piece.join('L')}`).join(''));
  const closed = (piece) =>
    `M${piece.join('L')}L${piece.at(-1).split(' ')[0]} ${HEIGHT}L${piece[0].split(' ')[0]} ${HEIGHT}Z`;
  mark(area, 'd', drawn.map(closed).join(''));
}
