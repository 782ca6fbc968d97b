// The scripts of every page. The server sends each file in this folder with its imports as one file.

import "../time_zone.js";
import "../field_errors.js";
import "../toast.js";
