// What a grid of images needs in addition if its images can be selected.

import "../tile_tools.js";
import "../selection.js";
import "../stacks.js";
