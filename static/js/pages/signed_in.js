// The scripts of every page of a signed-in member.

import "./signed_out.js";
import "../shortcuts.js";
import "../bell.js";
import "../after_image.js";
