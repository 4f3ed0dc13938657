// The guides are what a reader looks for first: their part of the sidebar is open until he closes it.
const key = 'tsd-accordion-Guides';
try {
  localStorage[key] ??= 'true';
} catch {
  // A browser that keeps nothing.
}
