// How does the studio stand in a notebook's output? As a frame whose questions go to the kernel.
function render({ model, el }) {
  const frame = document.createElement('iframe');
  frame.title = 'convsight studio';
  frame.style.cssText = 'width: 100%; border: 1px solid #8884; border-radius: 8px';
  frame.style.height = `${model.get('height')}px`;
  frame.srcdoc = model.get('page');

  const asked = ({ source, data }) => {
    if (source !== frame.contentWindow || !data || data.convsight !== 'ask') return;
    const { id, method, url, type, body } = data;
    model.send({ id, method, url, type }, undefined, body ? [body] : []);
  };
  const answered = ({ id, status, type }, buffers) => {
    const view = buffers[0];
    const body = view ? new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength).slice().buffer : null;
    frame.contentWindow?.postMessage({ convsight: 'answer', id, status, type, body }, '*');
  };
  addEventListener('message', asked);
  model.on('msg:custom', answered);
  el.append(frame);
  return () => {
    removeEventListener('message', asked);
    model.off('msg:custom', answered);
  };
}

export default { render };
