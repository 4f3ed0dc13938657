import type { Hello, Look } from '../shared/messages.ts';
import { ratesBetween } from '../shared/rates.ts';
import './page.css';
import { Chart, bits, microseconds, perSecond } from './charts.ts';
import { CountersTable } from './counters-table.ts';
import { byId, say } from './dom.ts';
import { EventList, PacketList } from './lists.ts';
import { count, duration } from './numbers.ts';
import { PathsPanel } from './paths-panel.ts';
import { PortHeader } from './port-header.ts';
import { RingCards } from './ring-cards.ts';
import { Stream } from './stream.ts';
import { Tiles } from './tiles.ts';

const flows = [
  { label: 'received', colour: 'rx' },
  { label: 'sent', colour: 'tx' },
];
const packetChart = new Chart(byId('chart-packets', HTMLElement), flows, perSecond);
const bitChart = new Chart(byId('chart-bits', HTMLElement), flows, bits);
const turnChart = new Chart(
  byId('chart-turns', HTMLElement),
  [
    { label: '50 %', colour: 'rx' },
    { label: '90 %', colour: 'quiet' },
    { label: '99 %', colour: 'tx' },
    { label: 'longest', colour: 'bad' },
  ],
  microseconds,
);
const tilesPlace = document.querySelector('.tiles');
if (tilesPlace === null) throw new Error('the page has no tiles');
const tiles = new Tiles(tilesPlace);
const rings = new RingCards();
const paths = new PathsPanel();
const events = new EventList();
const packets = new PacketList();
const counters = new CountersTable();

let hello: Hello | undefined;
let before: Look | undefined;
let missed = 0;

const header = new PortHeader((port) => {
  forget();
  stream.choose(port);
});

function forget(): void {
  before = undefined;
  for (const chart of [packetChart, bitChart, turnChart]) chart.clear();
  if (hello?.packets === true) packets.clear();
}

function look(now: Look): void {
  header.show(now);
  const { port, turns } = now;
  if (port === undefined) {
    before = undefined;
    tiles.show(undefined);
    rings.show('', []);
    return;
  }
  const rates = ratesBetween(before, now);
  before = now;
  tiles.show(rates);
  rings.show(port.kind, port.rings);
  paths.show(port);
  counters.show(port.stats, rates?.counters);
  if (rates !== undefined) {
    packetChart.add(now.time, [rates.rx.pps, rates.tx.pps]);
    bitChart.add(now.time, [rates.rx.bps, rates.tx.bps]);
  }
  byId('turns', HTMLElement).hidden = turns === undefined;
  if (turns === undefined) return;
  const { wait, work } = turns;
  turnChart.add(now.time, wait.count === 0 ? [] : [wait.p50, wait.p90, wait.p99, wait.max]);
  const text =
    work.count === 0
      ? ''
      : `Moving packets took ${duration(work.p50)} a turn (50 %), ${duration(work.p99)} (99 %).`;
  say(byId('work', HTMLElement), text);
}

const stream = new Stream({
  hello(message) {
    if (hello !== undefined && hello.pid !== message.pid) {
      forget();
      events.clear();
    }
    hello = message;
    say(byId('program', HTMLElement), `${message.command} ${message.pid}`);
    document.title = `vio ${message.command} ${message.pid}`;
    say(byId('about', HTMLElement), `vio ${message.version} on Node ${message.node}.`);
    if (!message.packets) packets.off();
  },
  look,
  happened: (message) => events.add(message),
  packets: (message) => packets.add(message.packets),
  missed({ looks }) {
    missed += looks;
    const note = byId('note', HTMLElement);
    note.hidden = false;
    say(note, `${count(missed)} looks were left out because this browser was too slow.`);
  },
  there: (is) => header.there(is),
});
