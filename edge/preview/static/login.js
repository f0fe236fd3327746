// A link .../login#TOKEN fills in the form. The browser by itself sends nothing of what follows #.
const field = document.getElementById("token");

function submitTokenOfLink() {
  const offered = decodeURIComponent(location.hash.slice(1));
  if (!offered) return false;
  history.replaceState(null, "", location.pathname);
  field.value = offered;
  field.form.requestSubmit();
  return true;
}

addEventListener("hashchange", submitTokenOfLink);
if (!submitTokenOfLink() && !document.querySelector(".wrong")) {
  // After a link on another site the browser sent no cookie (SameSite), but it may have one.
  const answer = await fetch("/healthz");
  if (answer.status !== 401) location.replace("/");
}
