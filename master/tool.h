#pragma once

/* What tidegate-master does when it is called by hand: `migrate`. Exit status: 0, 1 with an error on
 * stderr, 2. */
int tool_run(int argc, char **argv);
