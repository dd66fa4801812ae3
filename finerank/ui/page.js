/* What the page does in the browser by itself: languages, files, shortcuts, downloads. It asks nothing of any server.
   `TABLE` stands for {language: [changes of the components, in their order]}; page.py fills it in. */
window.finerank = (() => {
  const KEY = "finerank-language";
  const TABLE = __TABLE__;

  function remembered() {
    try { return localStorage.getItem(KEY); } catch { return null; }  // storage may be forbidden
  }

  function language() {
    const wanted = remembered() || (navigator.languages || [navigator.language])[0] || "en";
    return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
  }

  function show(spoken) {
    document.documentElement.dataset.language = spoken;
    document.documentElement.lang = spoken === "zh" ? "zh-CN" : "en";
    for (const each of document.querySelectorAll("[data-label-en]"))
      each.setAttribute("aria-label", each.getAttribute(`data-label-${spoken}`));
  }

  /* The components begin in English; until they speak Chinese they are out of sight (page.css). */
  function appear() {
    document.documentElement.dataset.spoken = "";
  }

  /* The language, then a change for each component that has texts: the outputs of an event of Gradio. */
  function speak(spoken) {
    show(spoken);
    setTimeout(appear, 100);
    return [spoken, ...TABLE[spoken]];
  }

  function switchLanguage() {
    const other = document.documentElement.dataset.language === "zh" ? "en" : "zh";
    try { localStorage.setItem(KEY, other); } catch { /* then it is not remembered */ }
    return speak(other);
  }

  /* Ctrl+Enter (Cmd+Enter on a Mac) anywhere in a tab presses its main button. */
  function submit(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const shown = [...document.querySelectorAll("button.fr-submit")].find((each) => each.offsetParent !== null);
    if (!shown) return;
    event.preventDefault();
    shown.click();
  }

  /* A document of a comparison lights up on both sides, with its line. */
  function light(event) {
    const graph = event.target.closest?.(".fr-graph, .fr-beside");
    if (!graph) return;
    const index = event.target.closest("[data-doc]")?.dataset.doc;
    graph.classList.toggle("fr-lit", index !== undefined);
    for (const each of graph.querySelectorAll("[data-doc]")) each.classList.toggle("fr-on", each.dataset.doc === index);
  }

  function base64(buffer) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(new Blob([buffer]));
    });
  }

  /* A file as it is sent; without its content if that is more than the server takes. */
  async function content(file, isTooLarge) {
    const data = isTooLarge ? null : await file.arrayBuffer().then(base64).catch(() => "?");
    return { name: file.name, size: file.size, data };
  }

  /* A control that opens a file: the file becomes its value {name, size, data}, or null. */
  function picker(element, props, watch, limit) {
    opener(element, props, watch, ([file]) => content(file, file.size > limit), (file) => file.name);
  }

  /* The same for several files at once: {files: [...]}, or null. */
  function filesPicker(element, props, watch, limit) {
    async function read(files) {
      const isTooLarge = files.reduce((sum, file) => sum + file.size, 0) > limit;
      return { files: await Promise.all(files.map((file) => content(file, isTooLarge))) };
    }
    opener(element, props, watch, read, ({ files }) => {
      const names = files.slice(0, 4).map((file) => file.name).join(", ");
      return files.length > 4 ? `${names}, +${files.length - 4}` : names;
    });
  }

  function opener(element, props, watch, read, title) {
    const input = element.querySelector("input[type=file]");
    const name = element.querySelector(".fr-file-name");
    const clear = element.querySelector(".fr-file-clear");
    async function take(files) {
      if (!files.length) return;
      props.value = await read([...files]);
      draw();
    }
    function draw() {
      name.textContent = props.value ? title(props.value) : "";
      clear.hidden = !props.value;
      element.querySelector(".fr-file").classList.toggle("fr-chosen", Boolean(props.value));
      if (!props.value) input.value = "";
    }
    input.addEventListener("change", () => take(input.files));
    clear.addEventListener("click", () => { props.value = null; draw(); input.focus(); });
    element.addEventListener("dragover", (event) => event.preventDefault());
    element.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
    watch("value", draw);
    show(language());
  }

  const TYPES = { csv: "text/csv", txt: "text/plain" };

  /* Saves a text that came with an answer; nothing is fetched. A CSV gets the mark by which Excel knows UTF-8. */
  function save(files, kind) {
    if (!files || !files[kind]) return [];
    const type = TYPES[kind] || "application/json";
    const blob = new Blob([kind === "csv" ? "\ufeff" : "", files[kind]], { type: `${type};charset=utf-8` });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${files.name}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return [];
  }

  /* "Why?" beside a ranked document: which one was it? */
  let asked = null;
  function askWhy(element, trigger) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-why]");
      if (!button) return;
      asked = Number(button.dataset.why);
      trigger("select");
    });
  }

  /* Query, text of the document that was asked about, instruction: for the Why tab. */
  function askedDocument(files) {
    const answer = JSON.parse(files.json);
    const found = answer.results.find((each) => each.index === asked).document;
    const text = typeof found === "string" ? found : found[files.field] ?? found.text;
    return [answer.query, String(text ?? ""), files.instruction];
  }

  /* On a phone the answer is below the form. */
  function scrollTo(id) {
    const found = document.getElementById(id);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (innerWidth < 700) found?.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    return [];
  }

  document.addEventListener("keydown", submit);
  document.addEventListener("mouseover", light);
  document.addEventListener("click", light);
  setTimeout(appear, 3000);  // whatever happens
  show(language());
  return { language, speak, switchLanguage, picker, filesPicker, save, askWhy, askedDocument, scrollTo };
})();
