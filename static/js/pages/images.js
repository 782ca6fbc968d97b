// The scripts of a grid of images, with those of the lightbox.

import "./image.js";
import "../gallery.js";
