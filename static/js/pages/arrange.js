// The scripts of a collection whose images are being arranged.

import "../actions.js";
import "../arrange.js";
