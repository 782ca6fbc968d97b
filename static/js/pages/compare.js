// The scripts of the comparison of images.

import "../actions.js";
import "../compare.js";
