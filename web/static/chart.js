// Draws the bars of a symbol and what was traded on them, and goes on with what each push tells.

const root = document.documentElement;
const fresh = document.getElementById("fresh");
const PERIODS = {
  "1m": ["minute", 1], "5m": ["minute", 5], "15m": ["minute", 15],
  "1h": ["hour", 1], "4h": ["hour", 4], "1d": ["day", 1],
};
const SPACE = "chart.space"; // how wide a bar was drawn last
const CANDLES = "candle_pane";
const FIGURES = ["open", "high", "low", "close", "volume"];
const ROOM = 110; // px right of the last bar, where the names of lines stand

let chart = null;
let place = null; // the element that it is drawn in
let tell = null; // takes a bar that is new, or the last one as it is now
let levels = [];
const marked = new Map(); // id of a trade → what it was drawn from

function color(name) {
  return getComputedStyle(root).getPropertyValue(`--${name}`).trim();
}

function words() {
  return JSON.parse(place.dataset.words);
}

function bar([timestamp, open, high, low, close, volume]) {
  return { timestamp, open, high, low, close, volume };
}

// ── how it looks ─────────────────────────────────────────────────────────────────────────────

function styles() {
  const [gain, loss, quiet, line, ink, surface] =
    ["gain", "loss", "quiet", "line", "ink", "surface"].map(color);
  const family = getComputedStyle(document.body).fontFamily;
  const rising = { upColor: gain, downColor: loss, noChangeColor: quiet };
  const text = { color: quiet, family, size: 11 };
  const axis = { axisLine: { color: line }, tickLine: { show: false }, tickText: text };
  const cross = {
    line: { color: quiet },
    text: { color: surface, backgroundColor: ink, borderColor: ink, family, size: 11 },
  };
  return {
    grid: { horizontal: { color: line, style: "solid" }, vertical: { show: false } },
    candle: {
      bar: {
        ...rising,
        upBorderColor: gain, downBorderColor: loss, noChangeBorderColor: quiet,
        upWickColor: gain, downWickColor: loss, noChangeWickColor: quiet,
      },
      priceMark: {
        high: { color: quiet, textFamily: family },
        low: { color: quiet, textFamily: family },
        last: { ...rising, text: { family, size: 11, color: surface } },
      },
      tooltip: {
        title: { show: false },
        legend: { ...text, color: ink, template: FIGURES.map(
          (name) => ({ title: `${words()[name]} `, value: `{${name}}` })) },
      },
    },
    indicator: {
      bars: [{ style: "fill", upColor: `${gain}66`, downColor: `${loss}66`,
        noChangeColor: `${quiet}66` }],
      lastValueMark: { show: false },
      tooltip: { showRule: "none" },
    },
    xAxis: axis,
    yAxis: axis,
    separator: { color: line },
    crosshair: { horizontal: cross, vertical: cross },
  };
}

// ── marks and lines ──────────────────────────────────────────────────────────────────────────

function line(coordinates, shade, style = "dashed") {
  const styles = { style, color: shade, size: 1, dashedValue: [3, 3] };
  return { type: "line", attrs: { coordinates }, styles, ignoreEvent: true };
}

// An entry points the way that it wants the price to go.
function arrow({ x, y }, isLong) {
  const foot = y + (isLong ? 9 : -9);
  return {
    type: "polygon",
    attrs: { coordinates: [{ x, y }, { x: x - 5, y: foot }, { x: x + 5, y: foot }] },
    styles: { style: "fill", color: color("blue") },
  };
}

klinecharts.registerOverlay({
  name: "trade",
  totalStep: 3,
  needDefaultPointFigure: false,
  needDefaultXAxisFigure: false,
  needDefaultYAxisFigure: false,
  createPointFigures({ overlay, coordinates: [entry, exit] }) {
    const { long, gained } = overlay.extendData;
    const shade = color(gained ? "gain" : "loss");
    const end = {
      type: "circle",
      attrs: { ...exit, r: 4 },
      styles: { style: "stroke_fill", color: gained ? shade : color("surface"),
        borderColor: shade, borderSize: 2 },
    };
    return [line([entry, exit], shade), arrow(entry, long), end];
  },
});

klinecharts.registerOverlay({
  name: "entry",
  totalStep: 2,
  needDefaultPointFigure: false,
  needDefaultXAxisFigure: false,
  needDefaultYAxisFigure: false,
  createPointFigures: ({ overlay, coordinates: [at] }) => [arrow(at, overlay.extendData.long)],
});

klinecharts.registerOverlay({
  name: "level",
  totalStep: 2,
  needDefaultPointFigure: false,
  needDefaultXAxisFigure: false,
  needDefaultYAxisFigure: false,
  createPointFigures({ overlay, coordinates: [{ y }], bounding }) {
    const { text, shade, plain } = overlay.extendData;
    const label = {
      type: "text",
      attrs: { x: bounding.width - 6, y: y - 2, text, align: "right", baseline: "bottom" },
      styles: { color: shade, size: 11, backgroundColor: color("surface"), paddingLeft: 2,
        paddingRight: 2, paddingTop: 0, paddingBottom: 0,
        family: getComputedStyle(document.body).fontFamily },
      ignoreEvent: true,
    };
    const across = [{ x: 0, y }, { x: bounding.width, y }];
    return [line(across, shade, plain ? "solid" : "dashed"), label];
  },
  createYAxisFigures({ overlay, coordinates: [{ y }] }) {
    const { shade, price } = overlay.extendData;
    const { pricePrecision: digits } = chart.getSymbol();
    const text = price.toLocaleString("en-US",
      { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return {
      type: "text",
      attrs: { x: 0, y, text, align: "left", baseline: "middle" },
      styles: { color: color("surface"), backgroundColor: shade, size: 11,
        family: getComputedStyle(document.body).fontFamily },
      ignoreEvent: true,
    };
  },
});

function markTrades(trades) {
  for (const trade of trades) {
    if (marked.has(trade.id)) continue;
    marked.set(trade.id, trade);
    chart.createOverlay({
      name: "trade",
      id: trade.id,
      lock: true,
      points: [
        { timestamp: trade.opened, value: trade.entry },
        { timestamp: trade.closed, value: trade.exit },
      ],
      extendData: trade,
      onClick: () => { location.assign(`/chain?${new URLSearchParams(trade.address)}`); },
    });
  }
}

const SHADES = { entry: "blue", stop: "loss", take: "gain" };

function drawLevels(told) {
  if (JSON.stringify(told) === JSON.stringify(levels)) return;
  levels = told;
  chart.removeOverlay({ groupId: "held" });
  for (const { kind, instance, price, opened, long } of levels) {
    const shared = { groupId: "held", lock: true };
    chart.createOverlay({
      ...shared,
      name: "level",
      points: [{ value: price }],
      extendData: { price, text: `${words()[kind]} · ${instance}`, shade: color(SHADES[kind]),
        plain: kind === "entry" },
    });
    if (kind === "entry")
      chart.createOverlay({ ...shared, name: "entry", extendData: { long },
        points: [{ timestamp: opened, value: price }] });
  }
}

// Lines that are not far outside of what is seen are brought into it.
function withLevels({ defaultRange: range }) {
  let { from, to } = range;
  const reach = (to - from) * 0.75;
  for (const { price } of levels) {
    if (price > to && price < range.to + reach) to = price;
    if (price < from && price > range.from - reach) from = price;
  }
  const span = to - from;
  return { ...range, from, to, range: span, realFrom: from, realTo: to, realRange: span,
    displayFrom: from, displayTo: to, displayRange: span };
}

// ── bars ─────────────────────────────────────────────────────────────────────────────────────

async function load(before) {
  const { symbol, timeframe, at } = place.dataset;
  const query = new URLSearchParams({ symbol, timeframe, ...(before ? { before } : { at }) });
  if (!query.get("at")) query.delete("at");
  const answer = await fetch(`/chart/bars?${query}`);
  if (answer.redirected || answer.status === 401) location.reload(); // to the login
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

function failed(is) {
  const problem = is ? place.dataset.failed : "";
  if ((place.dataset.problem ?? "") !== problem) place.dataset.problem = problem;
}

async function getBars({ type, timestamp, callback }) {
  if (type === "backward") { callback([], false); return; }
  try {
    const { bars, trades, more, digits } = await load(type === "forward" ? timestamp : null);
    failed(false);
    if (type === "init") {
      const [pricePrecision, volumePrecision] = digits;
      Object.assign(chart.getSymbol(), { pricePrecision, volumePrecision });
    }
    callback(bars.map(bar), { forward: more, backward: false });
    markTrades(trades);
    if (type === "init" && place.dataset.at) chart.scrollToTimestamp(seen(place.dataset.at));
  } catch {
    failed(true);
    callback([], { forward: true, backward: false });
  }
}

// The time that stands at the right edge when `at` is to be seen in the middle.
function seen(at) {
  const { from, to } = chart.getVisibleRange();
  const bars = chart.getDataList();
  const index = bars.findIndex((one) => one.timestamp > Number(at));
  const last = Math.min(bars.length - 1, (index < 0 ? bars.length : index) + (to - from) / 2);
  return bars[Math.round(last)]?.timestamp ?? Number(at);
}

async function hear() {
  const news = JSON.parse(document.getElementById("chart-news").dataset.news);
  const last = chart.getDataList().at(-1);
  if (!last || !tell) return;
  const first = news.bars[0]?.[0];
  const missed = first > last.timestamp ? (await load(null)).bars : news.bars; // a stream was lost
  for (const one of missed)
    if (one[0] >= chart.getDataList().at(-1).timestamp) tell(bar(one));
  markTrades(news.trades);
  drawLevels(news.levels);
  failed(false);
}

// ── the chart ────────────────────────────────────────────────────────────────────────────────

function draw(element) {
  place = element;
  const { symbol, timeframe } = place.dataset;
  const [type, span] = PERIODS[timeframe];
  chart = klinecharts.init(place, {
    locale: root.lang === "zh-CN" ? "zh-CN" : "en-US",
    timezone: root.dataset.zone,
    styles: styles(),
  });
  // The library's own index is 1, which would come before everything else.
  const { label: ariaLabel } = place.dataset;
  Object.assign(chart.getDom(), { tabIndex: 0, role: "application", ariaLabel });
  chart.setSymbol({ ticker: symbol, pricePrecision: 2, volumePrecision: 2 });
  chart.setPeriod({ type, span });
  chart.createIndicator({ name: "VOL", calcParams: [] });
  chart.overrideYAxis({ paneId: CANDLES, createRange: withLevels,
    gap: { top: place.clientWidth < 480 ? 0.32 : 0.2, bottom: 0.1 } });
  chart.setOffsetRightDistance(Math.min(ROOM, place.clientWidth / 4));
  chart.setBarSpace(Number(sessionStorage.getItem(SPACE)) || 7);
  chart.setDataLoader({
    getBars,
    subscribeBar: ({ callback }) => { tell = callback; hear().catch(() => failed(true)); },
    unsubscribeBar: () => { tell = null; },
  });
  for (const name of ["pointerdown", "wheel"])
    place.addEventListener(name, again, { passive: true });
  chart.subscribeAction("onZoom", () => sessionStorage.setItem(SPACE, chart.getBarSpace().bar));
  new ResizeObserver(() => chart.resize()).observe(place);
  new MutationObserver(() => {
    chart.setStyles(styles());
    const told = levels;
    levels = [];
    drawLevels(told);
  }).observe(root, { attributeFilter: ["data-bs-theme", "data-rising"] });
}

// Asks again for the bars that could not be loaded.
function again() {
  if (chart && place.dataset.problem && !chart.getDataList().length) {
    failed(false);
    chart.resetData();
  }
}

function look() {
  const element = document.getElementById("chart");
  if (!element) return;
  if (!chart) draw(element);
  else if (!chart.getDataList().length) again();
  else hear().catch(() => failed(true));
}

// Another timeframe shows the same time, if it is not the newest that is seen.
document.addEventListener("click", (event) => {
  const link = event.target.closest("#timeframes a");
  if (!link || !chart) return;
  const bars = chart.getDataList();
  const { from, to } = chart.getVisibleRange();
  if (to >= bars.length) return;
  const url = new URL(link.href);
  url.searchParams.set("at", bars[Math.floor((from + to) / 2)].timestamp);
  link.href = url.href;
});

fresh.addEventListener("change", (event) => {
  if (event.target.name === "symbol") event.target.form.requestSubmit();
});

new MutationObserver(look).observe(fresh, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["data-news"],
});
look();
