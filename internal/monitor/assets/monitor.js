// The monitoring page in the browser. It asks only while it is looked at, and puts text into the page as text alone.
'use strict';
(() => {
  const minutes = 5 * 60 * 1000;
  const every = 1000;
  const patience = 8000;
  const gap = 15000; // between two points: in a longer one nobody looked
  const $ = (id) => document.getElementById(id);
  const connection = $('connection');

  // ask gives an answer of this site, or why there is none.
  async function ask(url) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), patience);
    try {
      const answer = await fetch(url, { signal: stop.signal, credentials: 'same-origin', cache: 'no-store' });
      if (answer.status === 401 || answer.redirected) throw new Error('You are signed out: load the page again.');
      if (!answer.ok) throw new Error('The service answers with an error; the numbers are old.');
      return answer;
    } catch (e) {
      throw e instanceof TypeError || e.name === 'AbortError' ? new Error('The service does not answer; the numbers are old.') : e;
    } finally {
      clearTimeout(timer);
    }
  }

  // repeat runs a step again and again while somebody looks, one at a time.
  function repeat(step, pause) {
    let timer = 0;
    let busy = false;
    async function run() {
      clearTimeout(timer);
      if (busy || document.hidden) return;
      busy = true;
      let wait = pause;
      try {
        await step();
        connection.hidden = true;
      } catch (e) {
        if (connection.textContent !== e.message) connection.textContent = e.message; // else it would be read out again
        connection.hidden = false;
        wait = 3 * pause;
      }
      busy = false;
      timer = setTimeout(run, wait);
    }
    document.addEventListener('visibilitychange', run);
    run();
  }

  // Lists: what is new is put in place, unless somebody is using what is there.
  function region() {
    const here = document.querySelector('[data-live-region]');
    if (!here) return;
    repeat(async () => {
      const text = await (await ask(location.pathname + location.search)).text();
      const fresh = new DOMParser().parseFromString(text, 'text/html').querySelector('[data-live-region]');
      const selection = getSelection();
      const used = here.contains(document.activeElement) || (selection && !selection.isCollapsed && here.contains(selection.anchorNode));
      if (fresh && !used && fresh.innerHTML !== here.innerHTML) here.replaceChildren(...document.importNode(fresh, true).childNodes);
    }, 3 * every);
  }

  function copying() {
    const button = $('copy');
    if (!navigator.clipboard) return; // by http from another machine: it is selected and copied by hand
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText($('commands').textContent);
        $('copied').textContent = 'Copied.';
      } catch {
        $('copied').textContent = 'The browser does not allow it: select the text and copy it.';
      }
    });
  }

  const number = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const rate = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
  const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const known = (v) => v !== null && v !== undefined;
  const count = (v) => (known(v) ? number.format(v) : '–');
  const perSecond = (v) => (known(v) ? (v >= 1000 ? number.format(v) : rate.format(v)) : '–');
  function span(ms) {
    if (!known(ms)) return '–';
    if (ms < 1000) return `${number.format(ms)} ms`;
    if (ms < 60000) return `${rate.format(ms / 1000)} s`;
    if (ms < 3600000) return `${Math.floor(ms / 60000)} min ${Math.floor(ms / 1000) % 60} s`;
    return ms < 48 * 3600000 ? `${number.format(ms / 3600000)} h` : `${number.format(ms / 86400000)} d`;
  }
  function put(element, text, name) {
    if (element.textContent !== text) element.textContent = text;
    if (name !== undefined && element.className !== name) element.className = name;
  }

  function overview() {
    const points = []; // of the last minutes: {at, accepted, flushed, waiting, lag}
    const choice = $('of');
    const style = () => getComputedStyle(document.documentElement);
    let charts = [];
    let first = true;

    // The colours are those of the page; light-dark() is resolved by an element that has them.
    function colour(name) {
      const probe = document.createElement('span');
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      const value = getComputedStyle(probe).color;
      probe.remove();
      return value;
    }

    function chart(id, lines) {
      const place = $(id);
      const axis = { stroke: colour('--faint'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 }, font: `12px ${style().fontFamily || 'sans-serif'}` };
      return new uPlot({
        width: place.clientWidth, height: 190, cursor: { show: false }, legend: { show: false },
        scales: {
          x: { time: true, range: () => [(newest() - minutes) / 1000, newest() / 1000] },
          y: { range: (_, __, most) => [0, Math.max(1, known(most) ? most * 1.1 : 1)] },
        },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((t) => clock.format(t * 1000).slice(0, 5)) },
          { ...axis, size: 58, values: (_, ticks) => ticks.map((t) => (t >= 10000 ? `${rate.format(t / 1000)} k` : rate.format(t))) },
        ],
        series: [{}, ...lines.map((l) => ({ label: l.label, stroke: colour(l.colour), width: 2, dash: l.dash, points: { show: false }, spanGaps: false }))],
      }, [[], ...lines.map(() => [])], place);
    }
    // add notes a point; lines don't go on over a time in which nobody looked.
    function add(point) {
      if (points.length && point.at <= newest()) return;
      if (points.length && point.at - newest() > gap) points.push({ at: newest() + 1, accepted: null, flushed: null, waiting: [], lag: [] });
      points.push(point);
    }
    const newest = () => (points.length ? points[points.length - 1].at : Date.now());

    function draw() {
      for (const c of charts) c.destroy();
      charts = [
        chart('chart-rate', [{ label: 'accepted', colour: '--one' }, { label: 'flushed', colour: '--two', dash: [6, 3] }]),
        chart('chart-waiting', [{ label: 'waiting', colour: '--one' }]),
        chart('chart-lag', [{ label: 'longest wait', colour: '--one' }]),
      ];
      fill();
    }

    const all = (values, f) => {
      const some = values.filter(known);
      return some.length ? f(some) : null;
    };
    const of = (values, f) => (choice.value === '' ? all(values, f) : values[+choice.value] ?? null);
    const sum = (v) => v.reduce((a, b) => a + b, 0);
    const most = (v) => v.reduce((a, b) => Math.max(a, b), 0);

    // speeds are the growth of a count from point to point; it begins anew with another Redis.
    function speeds(name) {
      return points.map((p, i) => {
        const before = points[i - 1];
        if (!before || !known(p[name]) || !known(before[name]) || p[name] < before[name]) return null;
        return (1000 * (p[name] - before[name])) / (p.at - before.at);
      });
    }
    const last = (values) => values[values.length - 1];

    function fill() {
      const x = points.map((p) => p.at / 1000);
      const accepted = speeds('accepted');
      const flushed = speeds('flushed');
      const waiting = points.map((p) => of(p.waiting, sum));
      const lag = points.map((p) => { const ms = of(p.lag, most); return ms === null ? null : ms / 1000; });
      charts[0].setData([x, accepted, flushed]);
      charts[1].setData([x, waiting]);
      charts[2].setData([x, lag]);
      return { accepted, flushed, waiting, lag };
    }

    function say(lines) {
      const top = (v, text) => all(v, (some) => text(most(some)));
      const told = (known, text) => (known === null ? 'Not known yet.' : text);
      const accepted = top(lines.accepted, perSecond);
      const flushed = top(lines.flushed, perSecond) ?? '–';
      const waiting = top(lines.waiting, count);
      const lag = top(lines.lag, (s) => span(s * 1000));
      put($('t-rate'), told(accepted, `Accepted (solid) at most ${accepted}, flushed (dashed) at most ${flushed} per second.`));
      put($('t-waiting'), told(waiting, `At most ${waiting}.`));
      put($('t-lag'), told(lag, `At most ${lag}.`));
    }

    function tiles(now, lines) {
      const set = (name, text, how) => put(document.querySelector(`[data-live=${name}]`), text, how);
      const rows = now.partitions;
      const waiting = all(rows.map((r) => r.waiting), sum);
      const lag = all(rows.map((r) => r.lag), most);
      set('accepted', perSecond(last(lines.accepted)), '');
      set('flushed', perSecond(last(lines.flushed)), '');
      set('waiting', (rows.some((r) => known(r.waiting) && !r.exact) ? '~' : '') + count(waiting), '');
      set('lag', span(lag), rows.some((r) => r.state === 'behind') ? 'bad' : '');
      const open = now.dead_letters.open;
      set('letters', count(open), open > 0 ? 'bad' : '');
    }

    const states = { idle: ['idle', 'good'], flushing: ['flushing', 'good'], behind: ['behind', 'bad'], refused: ['takes no writes', 'bad'], unknown: ['not known', 'warn'] };
    const statuses = { ok: ['works', 'good'], warning: ['works, not well', 'warn'], failed: ['broken', 'bad'], off: ['off', ''] };

    function partitions(now) {
      const table = $('partition-table');
      const body = table.tBodies[0];
      const led = 'leaders' in table.dataset;
      while (body.rows.length < now.partitions.length) {
        const row = body.insertRow();
        const head = document.createElement('th');
        head.scope = 'row';
        row.append(head);
        for (const name of ['', ...(led ? ['leader'] : []), 'n', 'n', '', 'n', '', 'n']) row.insertCell().className = name;
        const option = document.createElement('option');
        option.value = option.textContent = body.rows.length - 1;
        choice.append(option);
      }
      for (const p of now.partitions) {
        const cells = [...body.rows[p.partition].cells];
        if (led) {
          put(cells.splice(2, 1)[0], p.leaderless ? 'nobody' : p.leader || '–', p.leaderless ? 'leader bad' : 'leader');
        }
        const [head, state, waiting, lag, flushed, entries, search, generation] = cells;
        put(head, String(p.partition));
        put(state, ...states[p.state]);
        put(waiting, (known(p.waiting) && !p.exact ? '~' : '') + count(p.waiting));
        put(lag, span(p.lag));
        put(flushed, known(p.flushed_at) ? `${span(Math.max(0, now.at - p.flushed_at))} old` : known(p.waiting) ? 'nothing yet' : '–');
        put(entries, count(p.entries));
        put(search, p.search === 'off' ? 'off' : p.search === 'resync' ? 'is filled from the tables' : known(p.search_lag) ? (p.search_lag ? `${span(p.search_lag)} behind` : 'up to date') : '–');
        put(generation, String(p.generation));
      }
    }

    function list(place, items) {
      while (place.children.length > items.length) place.lastChild.remove();
      while (place.children.length < items.length) place.append(document.createElement('li'));
      return [...place.children];
    }

    function engines(now) {
      list($('engine-list'), now.engines).forEach((li, i) => {
        const e = now.engines[i];
        const [word, how] = statuses[e.status];
        if (li.children.length !== 3) li.replaceChildren(...['h3', 'p', 'p'].map((tag) => document.createElement(tag)));
        put(li.children[0], e.name);
        put(li.children[1], word, how);
        const state = e.detail || `answers in ${span(e.ms)}`;
        const was = e.away && e.status !== 'failed' ? `. It was broken from ${clock.format(e.away.from)} to ${clock.format(e.away.to)}` : '';
        put(li.children[2], was ? state.replace(/\.$/, '') + was : state, 'facts');
      });
      const broken = now.engines.slice(0, 2).find((e) => e.status === 'failed' && !now.partitions.some((p) => p.refusal)); // search is the last: it does not rest on it
      const best = broken ? `Not known while ${broken.name} is broken.` : 'Nothing weakens it: every acknowledged write is synced to disk.';
      const lines = now.durability.length ? now.durability : [best];
      list($('durability'), lines).forEach((li, i) => put(li, lines[i], now.durability.length || broken ? 'warn' : 'good'));
    }

    function findings(now) {
      const found = [...now.findings];
      if (!found.some((f) => f.status === 'failed')) {
        const rest = found.length ? 'but there is something to look at.' : 'and nothing needs attention.';
        const lag = all(now.partitions.map((p) => p.lag), most);
        const soon = known(lag) && lag >= 1000 ? `within ${span(lag)}` : 'at once';
        found.unshift({ status: 'ok', text: `Keeping up: what is accepted is stored ${soon}, ${rest}`, advice: '' });
      }
      list($('finding-list'), found).forEach((li, i) => {
        const f = found[i];
        if (li.children.length !== 4) li.replaceChildren(...['strong', 'p', 'a', 'a'].map((tag) => document.createElement(tag)));
        if (li.className !== f.status) li.className = f.status;
        const lasted = now.at - f.since >= 1000 ? `, for ${span(now.at - f.since)}` : '';
        put(li.children[0], f.since ? `${f.text} ${f.seen ? 'Seen since' : 'Since'} ${clock.format(f.since)}${lasted}.` : f.text);
        put(li.children[1], f.newest ? `${f.advice} The newest that is stored was accepted at ${clock.format(f.newest)}.` : f.advice);
        const lead = (a, to, text) => {
          a.hidden = !to;
          if (to && a.getAttribute('href') !== to) a.href = to;
          put(a, to ? text : '');
        };
        lead(li.children[2], f.page, 'Deal with them');
        lead(li.children[3], f.runbook && `/monitor/runbooks/${f.runbook}`, `Runbook ${f.runbook}`);
      });
    }

    const details = $('first');
    let empty = null;
    function welcome(now) {
      if (now.empty === null || now.empty === empty) return;
      if (empty === null && now.empty) details.open = true; // later the reader opens and closes it
      if (empty === true) put(details.querySelector('h2'), 'The first message is there. Send another one');
      else if (!now.empty) put(details.querySelector('h2'), 'Send a message');
      empty = now.empty;
    }

    async function step() {
      const now = await (await ask(first ? '/monitor/data?history=1' : '/monitor/data')).json();
      if (first) for (const p of now.history ?? []) add(p);
      first = false;
      const point = { at: now.at, accepted: now.accepted, flushed: now.flushed, waiting: now.partitions.map((p) => p.waiting), lag: now.partitions.map((p) => p.lag) };
      add(point);
      while (points.length && points[0].at < newest() - minutes) points.shift();
      partitions(now);
      if (!charts.length) draw();
      const lines = fill();
      tiles(now, lines);
      say(lines);
      engines(now);
      findings(now);
      welcome(now);
    }

    choice.addEventListener('change', () => { if (charts.length) say(fill()); });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (charts.length) draw(); });
    new ResizeObserver(() => {
      for (const [i, id] of ['chart-rate', 'chart-waiting', 'chart-lag'].entries()) charts[i]?.setSize({ width: $(id).clientWidth, height: 190 });
    }).observe(document.querySelector('.charts'));
    copying();
    if (location.hash === '#first') details.open = true;
    repeat(step, every);
  }

  if (document.body.dataset.section === 'overview') overview();
  else region();
})();
