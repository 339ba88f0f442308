// A run that goes on: the server that this page came from says when there is more, and the page asks for it.
function followRun() {
  const events = new EventSource("events");
  let shown = document.body.dataset.live,
    latest = shown,
    asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    while (shown !== latest) {
      shown = latest;
      await showLatest();
    }
    asking = false;
  };
  events.addEventListener("changed", (event) => {
    latest = event.data;
    ask();
  });
  events.addEventListener("waiting", (event) => sayLive(event.data));
  events.addEventListener("error", () => sayLive("the server does not answer"));
  sayLive("asking the server");
  events.addEventListener("open", () => sayLive("live"));
}

async function showLatest() {
  try {
    const answer = await fetch("data.json");
    if (!answer.ok) return sayLive(await answer.text());
    showData(await answer.json());
    sayLive(`live, ${new Date().toLocaleTimeString()}`);
  } catch {
    sayLive("the server does not answer");
  }
}

function sayLive(text) {
  byId("live").hidden = false;
  byId("live").textContent = text;
}
