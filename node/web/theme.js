// Before anything is painted: the colours that were chosen in this browser.
"use strict";
document.documentElement.dataset.theme = localStorage.getItem("parlour.theme") ?? "system";
