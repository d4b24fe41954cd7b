// SPDX-License-Identifier: BSD-3-Clause
//
// Keeps the tables up to date with the events of the server, each of which is all of /v1/status.
// What the server sends becomes text and numbers, never markup: the policy of the page forbids it,
// too. The words are those of page_exports.cpp and in_words.cpp.
'use strict';

const byId = (id) => document.getElementById(id);
const words = new Map([...byId('words').children].map((li) => [li.dataset.word, li.textContent]));

// ---- quantities

function sizeInWords(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.length; ++unit) bytes /= 1024;
  const tenths = unit === 0 || bytes >= 99.95 ? Math.floor(bytes + 0.5) * 10
                                              : Math.floor(bytes * 10 + 0.5);
  return `${(tenths / 10).toFixed(tenths % 10 === 0 ? 0 : 1)} ${units[unit]}`;
}

function sentInWords(stream) {
  const compressed = stream?.compressed_bytes;
  return sizeInWords(stream?.sent_bytes) +
      (compressed > 0 ? `, compressed to ${sizeInWords(compressed)}` : '');
}

function timeInWords(seconds) {
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  const s = Math.floor(seconds), minute = 60, hour = 60 * minute, day = 24 * hour;
  if (s < minute) return `${s} s`;
  if (s < hour) return `${Math.floor(s / minute)} min ${s % minute} s`;
  if (s < day) return `${Math.floor(s / hour)} h ${Math.floor(s % hour / minute)} min`;
  return `${Math.floor(s / day)} d ${Math.floor(s % day / hour)} h`;
}

// In the time zone of whoever reads it; the date only where it is not today's.
function clock(date) {
  const two = (n) => String(n).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

// ---- writing

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function make(tag, attributes, ...children) {
  const element = tag === 'path' ? document.createElementNS('http://www.w3.org/2000/svg', tag)
                                 : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// `exact` of null: the cell is empty.
function writeCell(cell, text, exact) {
  cell.toggleAttribute('data-empty', exact === null);
  const data = cell.querySelector(':scope > data');
  write(data, exact === null ? '' : text);
  setAttribute(data, 'value', exact ?? 0);
}

// ---- pictures

const narrow = matchMedia('(max-width: 36rem)');
const kinds = {'#': 'sent', '0': 'zeroes', 'm': 'memory', 's': 'spill', '.': 'untouched'};

// One path for all cells of a kind, so that the largest map is 5 elements.
function drawMap(svg, cells) {
  const rows = Math.ceil(cells.length / (narrow.matches ? 24 : 48));
  const columns = Math.max(24, Math.ceil(cells.length / rows));
  setAttribute(svg, 'viewBox', `-.04 -.04 ${columns} ${rows}`);
  for (const [kind, name] of Object.entries(kinds)) {
    let d = '';
    for (let i = cells.indexOf(kind); i >= 0; i = cells.indexOf(kind, i + 1)) {
      d += `M${i % columns} ${Math.floor(i / columns)}h.88v.88h-.88z`;
    }
    const path = svg.querySelector(`.${name}`) ?? svg.appendChild(make('path', {class: name}));
    setAttribute(path, 'd', d);
  }
}

// The newest rate is at the right edge; what is shown is a minute at least.
function drawRates(svg, rates, most) {
  const width = Math.max(30, rates.length - 1), height = 40;
  setAttribute(svg, 'viewBox', `0 0 ${width} ${height}`);
  if (!svg.firstChild) {
    svg.append(make('path', {class: 'area'}), make('path', {class: 'line'}),
               make('path', {class: 'floor'}));
  }
  const first = width - rates.length + 1;
  const points = rates.map((rate, i) => `${first + i} ${(height - 2) * (1 - rate / most) + 1}`);
  const line = `M${points.join('L')}`;
  setAttribute(svg.querySelector('.line'), 'd', line);
  setAttribute(svg.querySelector('.area'), 'd', `${line}L${width} ${height}L${first} ${height}z`);
  setAttribute(svg.querySelector('.floor'), 'd', `M0 ${height}H${width}`);
}

// ---- an export

const exports = [...document.querySelectorAll('#exports tbody tr')].map((row) => ({
  row,
  name: row.querySelector('th bdi').textContent,
  cells: Object.fromEntries([...row.querySelectorAll('td')].map((td) => [td.dataset.f, td])),
}));

function writeDone(cell, stream) {
  const total = stream?.total_bytes;
  const share = total ? Math.floor(Math.min(stream.done_bytes / total, 1) * 1000) / 10 : null;
  write(cell.querySelector('strong'), share === null ? '' : `${Math.floor(share)} %`);
  const bar = cell.querySelector('progress');
  bar.hidden = share === null;
  setAttribute(bar, 'value', (share ?? 0).toFixed(1));
  const of = typeof total === 'number' ? ` of ${sizeInWords(total)}` : '';
  writeCell(cell, sizeInWords(stream?.done_bytes ?? 0) + of, stream ? stream.done_bytes : null);
}

function writeDisk(cell, map) {
  const cells = map?.cells ?? '';
  writeCell(cell, `${cells.length} cells of ${sizeInWords(map?.cell_bytes ?? 0)}`,
            cells ? map.cell_bytes : null);
  if (!cells) return;
  for (const data of cell.querySelectorAll('[data-cell]')) {
    const count = cells.split(data.dataset.cell).length - 1;
    write(data, String(count));
    setAttribute(data, 'value', count);
  }
  drawMap(cell.querySelector('.map'), cells);
}

function writeHistory(cell, rates) {
  const most = rates.reduce((a, b) => Math.max(a, b), 0);
  writeCell(cell, `peak ${sizeInWords(most)}/s`, most > 0 ? most : null);
  if (most > 0) drawRates(cell.querySelector('.rates'), rates, most);
}

function writeFigures(cells, of) {
  const stream = of.stream;
  const inStream = (name, text, exact) => writeCell(cells[name], text, stream ? exact : null);
  const rate = (bytes) => `${sizeInWords(bytes)}/s`;
  const held = (now, most) => `${sizeInWords(now)}, peak ${sizeInWords(most)}`;
  inStream('rate', rate(of.rate_bytes_per_second), of.rate_bytes_per_second);
  inStream('average', rate(of.average_bytes_per_second), of.average_bytes_per_second);
  const left = of.remaining_seconds;
  writeCell(cells.left, timeInWords(left), left === null ? null : Math.ceil(left));
  inStream('age', timeInWords(stream?.age_seconds), Math.floor(stream?.age_seconds));
  inStream('sent', sentInWords(stream), stream?.sent_bytes);
  inStream('zeroes', sizeInWords(stream?.zero_bytes), stream?.zero_bytes);
  inStream('memory', held(stream?.held_memory_bytes, stream?.held_memory_peak_bytes),
           stream?.held_memory_bytes);
  inStream('spill', held(stream?.held_spill_bytes, stream?.held_spill_peak_bytes),
           stream?.held_spill_peak_bytes > 0 ? stream.held_spill_bytes : null);
  const acknowledged = stream?.acknowledged_bytes ?? null;
  writeCell(cells.acknowledged, sizeInWords(acknowledged ?? 0), acknowledged);
}

function outcomeMark(outcome) {
  return make('span', {class: 'outcome', 'data-outcome': outcome}, outcome);
}

function timeMark(iso) {
  return make('time', {datetime: iso}, clock(new Date(iso)));
}

function writeLast(cell, last) {
  const key = last ? String(last.id) : '';
  cell.toggleAttribute('data-empty', !last);
  if (!last || cell.dataset.stream === key) return;
  cell.dataset.stream = key;
  cell.replaceChildren(outcomeMark(last.outcome), ' ', timeMark(last.ended), ', ', make('span', {},
      `${sizeInWords(last.sent_bytes)} in ${timeInWords(last.seconds)}`));
}

function writeExport({row, cells}, of, connections) {
  setAttribute(row, 'data-state', of.state);
  write(cells.state.firstElementChild, words.get(of.state) ?? of.state);
  writeDone(cells.done, of.stream);
  writeDisk(cells.disk, of.stream?.map);
  writeHistory(cells.history, of.history_bytes_per_second);
  writeFigures(cells, of);
  const clients = connections.filter((c) => c.export === of.name);
  const writers = clients.filter((c) => c.writes).length;
  writeCell(cells.clients, clients.length ? `${clients.length}, ${writers} writing` : 'none',
            clients.length);
  const ended = of.committed + of.aborted, limit = of.streams ? `, of ${of.streams}` : '';
  writeCell(cells.streams, `${of.committed} committed, ${of.aborted} aborted${limit}`, ended);
  writeLast(cells.last, of.recent.at(-1));
}

// ---- streams that have ended

const mostShown = 100;
let shownOutcomes = '';

function outcomeRow(of, o) {
  const cell = (label, ...content) => make('td', {role: 'cell', 'data-label': label}, ...content);
  return make('tr', {role: 'row'},
      cell('Ended', timeMark(o.ended)), cell('Export', make('bdi', {}, of.name)),
      cell('Stream', String(o.id)), cell('Outcome', outcomeMark(o.outcome)),
      cell('Sent', make('data', {value: o.sent_bytes}, sentInWords(o))),
      cell('Took', timeInWords(o.seconds)),
      cell('Reason, or digest', make('bdi', {}, o.reason ?? o.digest ?? '')));
}

function writeOutcomes(all) {
  const rows = all.flatMap((of) => of.recent.map((o) => ({of, o})));
  rows.sort((a, b) => (a.o.ended < b.o.ended ? 1 : a.o.ended > b.o.ended ? -1 : 0));
  rows.length = Math.min(rows.length, mostShown);
  const key = rows.map(({of, o}) => `${all.indexOf(of)}.${o.id}`).join();
  if (key === shownOutcomes) return;
  shownOutcomes = key;
  document.querySelector('#outcomes tbody').replaceChildren(
      ...rows.map(({of, o}) => outcomeRow(of, o)));
}

// ---- all of it

let last = null;

// For those who do not see the page: changes of a state, and nothing that changes each second.
function announce(now) {
  const changed = now.exports.filter((of, i) => last && last.exports[i].state !== of.state);
  if (changed.length === 0) return;
  write(byId('news'), changed.map((of) => `${of.name}: ${words.get(of.state)}`).join('. '));
}

function title(now) {
  const open = now.exports.filter((of) => of.stream);
  if (open.length !== 1) return open.length ? `${open.length} streams – nbdstream` : 'nbdstream';
  const share = exports[now.exports.indexOf(open[0])].cells.done.querySelector('strong');
  return `${share.textContent || words.get(open[0].state)} ${open[0].name} – nbdstream`;
}

// The rows are those of the process that has sent the page: with another one it is loaded anew.
function isOfAnotherProcess(now) {
  return now.exports.length !== exports.length ||
      (last && (last.pid !== now.pid || last.began !== now.began));
}

function show(now) {
  if (isOfAnotherProcess(now)) {
    source.close();
    location.reload();
    return;
  }
  announce(now);
  write(byId('uptime'), timeInWords((Date.parse(now.time) - Date.parse(now.began)) / 1000));
  write(byId('clients'), String(now.connections.length));
  write(byId('notice'), now.stopping ? 'It is stopping: no client is let in any more.' : '');
  exports.forEach((e, i) => writeExport(e, now.exports[i], now.connections));
  writeOutcomes(now.exports);
  document.title = title(now);
  last = now;
}

// ---- the connection

const retry = 3000, patience = 10000;  // milliseconds
let source = null, heard = new Date(), lost = null, ended = null;

function say(link, text) {
  setAttribute(byId('link'), 'data-link', link);
  write(byId('link'), text);
}

function hear(event) {
  heard = new Date();
  lost = ended = null;
  show(JSON.parse(event.data));
  say('live', 'Live');
}

// Either the server says that it ends, or its last words were that nothing is left to do.
function isOver() {
  return last && (last.stopping || last.exports.every((of) => of.state === 'ended'));
}

function lose() {
  source.close();
  lost ??= new Date();
  if (isOver()) ended ??= lost;
  if (ended) say('ended', `The server has ended, at ${clock(ended)}`);
  else say('lost', `Not connected since ${clock(lost)}, trying again`);
  setTimeout(connect, retry);
}

function connect() {
  source = new EventSource('v1/events');
  source.addEventListener('message', hear);
  source.addEventListener('end', () => { ended = new Date(); });
  source.addEventListener('error', lose);
}

setInterval(() => {
  if (lost || new Date() - heard < patience) return;
  say('silent', `Nothing was heard since ${clock(heard)}`);
}, 1000);

for (const time of document.querySelectorAll('time')) write(time, clock(new Date(time.dateTime)));
document.documentElement.classList.add('live');
narrow.addEventListener('change', () => last && show(last));
say('lost', 'Connecting');
connect();
