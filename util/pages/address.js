"use strict";
// Keeps what the results page shows in its address, after #, so that a link shows the same.

const FIELDS = ["search", "sort", "size", "row", "label", "with"];

// The state in the address: field -> text; fields that it does not have are "".
function stateOfAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(FIELDS.map((field) => [field, parameters.get(field) ?? ""]));
}

let addressTimer = 0,
  ownAddress = location.hash;

// Writes `state` to the address, without the fields that are "". Browsers allow a few changes per
// second only, so those of a moving slider are joined.
function writeAddress(state) {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const given = FIELDS.filter((field) => state[field]).map((field) => [field, state[field]]);
    const text = String(new URLSearchParams(given));
    const address = location.pathname + location.search + (text && `#${text}`);
    if (location.hash === (text && `#${text}`)) return;
    history.replaceState(null, "", address);
    ownAddress = location.hash;
  }, 150);
}

// Calls change() when the user, a link or the buttons back and forward change the address.
function onAddress(change) {
  addEventListener("hashchange", () => {
    if (location.hash === ownAddress) return;
    ownAddress = location.hash;
    change();
  });
}
