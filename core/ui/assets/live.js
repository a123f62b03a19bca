// One stream a window, and whoever is drawn by it. Durations are measured on this machine's own clock and added up with what the server measured on its own.

const LOST_MS = 10000; // a question that was not answered by then is asked again
const SILENT_MS = 30000; // three beats of the server
const TICK_MS = 1000;
const REST_MS = 60000; // what is drawn by the clock (an age, somebody not heard of) is drawn again without a word, too
const REOPEN_MS = 15000; // a refused stream, or a dead one, is tried again no more often

function follow() {
  const fragments = new Set();
  let source = null, heardAt = 0, cursor = null, hears = false, openedAt = 0, timer = null;

  const isLive = () => source !== null && source.readyState === EventSource.OPEN && hears && performance.now() - heardAt < SILENT_MS;

  const shut = () => {
    if (source) source.close();
    source = null;
    hears = false;
  };

  const open = () => {
    shut();
    openedAt = heardAt = performance.now();
    source = new EventSource("/live/events");
    source.onmessage = (message) => {
      const word = JSON.parse(message.data);
      heardAt = performance.now();
      hears = word.hears;
      cursor = word.cursor;
      fragments.forEach((fragment) => fragment.hear(cursor, word.age_ms));
    };
    // Whose session is over is shown the sign-in: the fragment's guard sees to that.
    source.addEventListener("over", () => { shut(); fragments.forEach((fragment) => fragment.look()); });
  };

  const tick = () => {
    const now = performance.now();
    const isShut = source === null || source.readyState === EventSource.CLOSED;
    if ((isShut || now - heardAt > SILENT_MS) && now - openedAt > REOPEN_MS) open();
    fragments.forEach((fragment) => fragment.tick(now, isLive()));
  };

  const turn = () => {
    const wanted = fragments.size > 0 && document.visibilityState === "visible";
    if (wanted && timer === null) {
      timer = setInterval(tick, TICK_MS);
      open();
    } else if (!wanted && timer !== null) {
      clearInterval(timer);
      timer = null;
      shut();
    }
  };

  document.addEventListener("visibilitychange", turn);
  return {
    add(fragment) { fragments.add(fragment); turn(); if (cursor !== null && isLive()) fragment.hear(cursor, null); },
    remove(fragment) { fragments.delete(fragment); turn(); },
  };
}

const window_ = (globalThis.billersLive ??= follow());
const fragments = new WeakMap();

function fragmentOf() {
  let trigger = null, pollMs = 0, gapMs = 0; // as the server said with the last drawing
  let drawing = null, drawn = null, drawnAt = performance.now();
  let askedAt = -Infinity, waits = false, timer = null;
  let heard = null; // the newest word
  let since = null, screen = null; // the oldest change that is not on the screen, and how long the last one took

  const ask = () => {
    timer = null;
    if (document.visibilityState !== "visible") return;
    askedAt = performance.now();
    waits = true;
    trigger("asked", { screen_ms: screen });
    screen = null;
  };

  const askSoon = () => {
    if (waits || timer !== null) return;
    timer = setTimeout(ask, Math.max(0, askedAt + gapMs - performance.now()));
  };

  const fragment = {
    draw(data, setTriggerValue) {
      trigger = setTriggerValue;
      pollMs = data.poll_ms;
      gapMs = data.gap_ms;
      if (data.drawing === drawing) return;
      drawing = data.drawing;
      drawn = data.drawn;
      waits = false;
      drawnAt = performance.now();
      if (since !== null && drawn >= since.cursor) {
        const from = since;
        since = null;
        if (from.age !== null) requestAnimationFrame(() => { screen = performance.now() - from.at + from.age; });
      }
      if (heard !== null && heard !== drawn) askSoon();
    },
    hear(cursor, age) {
      heard = cursor;
      if (cursor === drawn) return;
      since ??= { cursor, at: performance.now(), age };
      askSoon();
    },
    look() { askSoon(); },
    tick(now, isLive) {
      if (waits && now - askedAt > LOST_MS) waits = false;
      const rested = now - Math.max(drawnAt, askedAt);
      if (isLive ? heard !== drawn || rested >= REST_MS : rested >= pollMs) askSoon();
    },
    end() { clearTimeout(timer); window_.remove(fragment); },
  };
  return fragment;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let fragment = fragments.get(parentElement);
  if (!fragment) {
    fragment = fragmentOf();
    fragments.set(parentElement, fragment);
    // It shows nothing, and takes no room.
    const box = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
    if (box) box.style.display = "none";
  }
  fragment.draw(data, setTriggerValue);
  window_.add(fragment);
  return () => { fragments.delete(parentElement); fragment.end(); };
}
