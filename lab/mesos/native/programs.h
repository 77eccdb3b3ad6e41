// The programs that this one is, by the name that it is called under.
#pragma once

#include "settings.h"

int master(const Arguments& arguments);
int agent(const Arguments& arguments);
int containerizer(const Arguments& arguments);
