// How does the studio's page ask when it stands in a notebook? Through the cell's widget, not over the network.
// Runs before the page's own script: fetch, EventSource and pictures at /api/… go to the parent frame.
(() => {
  const waiting = new Map();
  let next = 0;

  addEventListener('message', ({ source, data }) => {
    if (source !== parent || !data || data.convsight !== 'answer') return;
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  });

  function ask(method, url, type = '', body = null) {
    return new Promise((resolve) => {
      const id = ++next;
      waiting.set(id, resolve);
      parent.postMessage({ convsight: 'ask', id, method, url, type, body }, '*');
    });
  }

  window.fetch = async (url, options = {}) => {
    const request = new Request(new URL(url, 'http://notebook'), { ...options, signal: undefined });
    const body = request.method === 'GET' ? null : await request.arrayBuffer();
    const told = await ask(request.method, String(url), request.headers.get('content-type') ?? '', body);
    return new Response(told.body, { status: told.status, headers: { 'content-type': told.type } });
  };

  // A job is asked after instead of listened to.
  window.EventSource = class extends EventTarget {
    constructor(url) {
      super();
      this.job = url.replace(/\/events$/, '');
      this.timer = setInterval(() => this.look(), 250);
    }
    async look() {
      const told = await (await fetch(this.job)).json();
      if (!this.timer) return;
      const { status, fraction, message, key, error } = told;
      this.tell('step', { fraction, message });
      if (status === 'done' || status === 'failed' || status === 'cancelled') this.tell(status, { key, error });
    }
    tell(name, data) {
      this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
    }
    close() {
      clearInterval(this.timer);
      this.timer = 0;
    }
  };

  const pictures = new Map();
  function picture(url) {
    if (!pictures.has(url)) {
      const made = fetch(url).then(async (answer) => URL.createObjectURL(await answer.blob()));
      pictures.set(url, made);
    }
    return pictures.get(url);
  }

  const BLANK = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==';
  const { set, get } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, 'src');
  const plain = Element.prototype.setAttribute;

  function show(image, url) {
    image.wanted = url;
    if (!String(url).startsWith('/api/')) return set.call(image, url);
    set.call(image, BLANK);
    picture(url).then((blob) => image.wanted === url && set.call(image, blob));
  }
  Object.defineProperty(HTMLImageElement.prototype, 'src', { get, set(url) { show(this, url); } });
  HTMLImageElement.prototype.setAttribute = function (name, value) {
    if (name === 'src') show(this, value);
    else plain.call(this, name, value);
  };
  const decode = HTMLImageElement.prototype.decode;
  HTMLImageElement.prototype.decode = async function () {
    if (String(this.wanted).startsWith('/api/')) await picture(this.wanted);
    return decode.call(this);
  };

  // Sprite sheets and atlas pages stand in styles.
  const inStyle = /url\((["']?)(\/api\/[^"')]+)\1\)/;
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      for (const node of [target, ...addedNodes]) if (node.nodeType === 1) styled(node);
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['style'] });

  function styled(node) {
    for (const each of [node, ...node.querySelectorAll('[style*="/api/"]')]) {
      const style = each.getAttribute('style') ?? '';
      const found = inStyle.exec(style);
      if (!found) continue;
      picture(found[2]).then((blob) => {
        const now = each.getAttribute('style') ?? '';
        if (now.includes(found[2])) plain.call(each, 'style', now.replace(found[0], `url("${blob}")`));
      });
    }
  }
})();
