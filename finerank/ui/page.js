() => {
  // Ctrl+Enter (Cmd+Enter on a Mac) anywhere in the form submits it.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      document.querySelector("#submit").click();
    }
  });
}
