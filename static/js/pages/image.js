// The scripts of the page of an image.

import "../viewer.js";
import "../actions.js";
import "../variations.js";
import "../comments.js";
