// The authorizer of a program, as --acls asks for it.
#pragma once

#include "settings.h"

// None without --acls, unless there is an endpoint that must stay closed whatever --acls says.
Option<mesos::Authorizer*> authorizer(const Settings& settings, const string& closedEndpoint = "");
