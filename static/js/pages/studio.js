// The scripts of the studio, in addition to signed_in.js and htmx.

import "../app.js";
import "../studio.js";
