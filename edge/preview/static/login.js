// A link .../login#TOKEN fills in the form: what follows # never leaves the browser by itself.
const field = document.getElementById("token");

function takeFromLink() {
  const offered = decodeURIComponent(location.hash.slice(1));
  if (!offered) return false;
  history.replaceState(null, "", location.pathname);
  field.value = offered;
  field.form.requestSubmit();
  return true;
}

addEventListener("hashchange", takeFromLink);
if (!takeFromLink() && !document.querySelector(".wrong")) {
  // Who came by a link from another site sent no cookie, but may have one.
  const answer = await fetch("/healthz");
  if (answer.status !== 401) location.replace("/");
}
