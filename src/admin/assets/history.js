// The points of the charts: what came first, and what is added every ten seconds. What this page saw before the
// gateway was started again stays, with a gap.

const HOUR = 3600e3;
const COLUMNS = ['at', 'accepted', 'rejected', 'queue_tuples', 'queue_bytes'];

export const history = { at: [], accepted: [], rejected: [], queue_tuples: [], queue_bytes: [], receivers: {} };

/** All points there are; those from before them stay. */
export function begin(told) {
  const first = told.at[0] ?? Infinity;
  cut((at) => at < first);
  add(told);
}

/** Some more. */
export function add(told) {
  const [before, more] = [history.at.length, told.at.length];
  for (const column of COLUMNS) history[column].push(...told[column]);
  for (const [name, of] of Object.entries(told.receivers)) {
    history.receivers[name] ??= { delivered: [], latency_ms: [] };
    for (const column of ['delivered', 'latency_ms']) {
      const mine = history.receivers[name][column];
      while (mine.length < before) mine.push(null);
      mine.push(...of[column]);
    }
  }
  for (const of of Object.values(history.receivers)) {
    for (const column of Object.values(of)) while (column.length < before + more) column.push(null);
  }
  const last = history.at.at(-1) ?? 0;
  cut((at) => last - at <= HOUR);
}

function cut(stays) {
  const kept = history.at.map(stays);
  if (kept.every(Boolean)) return;
  const cutOne = (column) => column.filter((_, nth) => kept[nth]);
  for (const of of Object.values(history.receivers)) {
    of.delivered = cutOne(of.delivered);
    of.latency_ms = cutOne(of.latency_ms);
  }
  for (const column of COLUMNS) history[column] = cutOne(history[column]);
}

/** A column as a chart takes it. */
export const points = (column) => history.at.map((at, nth) => [at, column?.[nth] ?? null]);

/** What all receivers took together. */
export function delivered() {
  const columns = Object.values(history.receivers).map((of) => of.delivered);
  return history.at.map((at, nth) => [at, columns.reduce((sum, column) => sum + (column[nth] ?? 0), 0)]);
}
