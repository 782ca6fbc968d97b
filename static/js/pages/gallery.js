// The scripts of the gallery, with or without images.

import "./images.js";
import "../filters.js";
