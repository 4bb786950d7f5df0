// Elements are made once and changed in place, so that focus, selection and what a screen reader stands on
// survive every second. Texts of others come in as text and never as markup.

/** A new element with attributes and children; a string becomes text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The element of that id, which the page has. */
export const at = (id) => document.getElementById(id);

/** Sets a text where it is another. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same with what stands between backticks as code. */
export function tell(node, text) {
  if (node.told === text) return;
  node.told = text;
  const parts = text.split('`');
  node.replaceChildren(...parts.map((part, nth) =>
    (nth % 2 === 1 && nth < parts.length - 1 ? el('code', {}, part) : part)));
}

/** Sets or removes an attribute where it is another. */
export function mark(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

/** Makes the children of `parent` those of `items`: known by `key`, made by `make`, brought up to date by `update`. */
export function keyed(parent, items, key, make, update) {
  const known = parent.keyed ?? (parent.keyed = new Map());
  const before = new Map(known);
  known.clear();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    if (known.has(name)) continue;
    const node = before.get(name) ?? make(item);
    before.delete(name);
    known.set(name, node);
    if (node === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(node, place);
    }
    update(node, item);
  }
  for (const node of before.values()) node.remove();
}

/**
 * A table of these columns: `{title, of, kind}`, where `of(item)` is a text, or `{text, title, state}`.
 * The first column names its row. Roles are written out, because the phone's layout would lose them.
 */
export function table(node, columns, none) {
  mark(node, 'role', 'table');
  const head = el('tr', { role: 'row' });
  for (const { title, kind } of columns) {
    head.append(el('th', { scope: 'col', role: 'columnheader', class: kind }, title));
  }
  const body = el('tbody', { role: 'rowgroup' });
  node.append(el('thead', { role: 'rowgroup' }, head), body);
  const empty = el('tbody', { role: 'rowgroup', hidden: '' },
    el('tr', { role: 'row' }, el('td', { colspan: columns.length, role: 'cell', class: 'none' }, none ?? '')));
  node.append(empty);
  const make = () => {
    const row = el('tr', { role: 'row' });
    columns.forEach(({ title, kind }, nth) => {
      const attributes = { class: kind, 'data-title': title };
      row.append(nth === 0
        ? el('th', { ...attributes, scope: 'row', role: 'rowheader' })
        : el('td', { ...attributes, role: 'cell' }));
    });
    return row;
  };
  const update = (row, item) => {
    columns.forEach(({ of, kind }, nth) => {
      const told = of(item);
      const { text, title, state } = typeof told === 'object' ? told : { text: told };
      const cell = row.children[nth];
      (kind?.includes('wide') && !kind.includes('code') ? tell : say)(cell, text);
      mark(cell, 'title', title ?? null);
      mark(cell, 'data-state', state ?? null);
      mark(cell, 'data-empty', text === '' ? '' : null);
    });
  };
  return (items, key) => {
    keyed(body, items, key, make, update);
    empty.hidden = items.length > 0;
  };
}

/** A list of facts: `[name, text, state]`. */
export function facts(parent, list) {
  if (!parent.facts) {
    parent.facts = el('dl', { class: 'facts-list' });
    parent.append(parent.facts);
  }
  const make = ([name]) => el('div', {}, el('dt', {}, name), el('dd'));
  const update = (node, [, text, state]) => {
    say(node.lastChild, text);
    mark(node.lastChild, 'data-state', state ?? null);
  };
  keyed(parent.facts, list.filter(Boolean), ([name]) => name, make, update);
}
