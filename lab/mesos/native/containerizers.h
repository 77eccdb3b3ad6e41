// What starts an agent's containers.
#pragma once

#include "settings.h"

// The tracker is in no library.
static mesos::internal::PendingFutureTracker* const NO_TRACKER = nullptr;

// As --containerizers asks for; it ends the program when one can't be made. `flags` were loaded from `arguments`.
mesos::internal::slave::Containerizer* containerizers(const Settings& settings, const mesos::internal::slave::Flags& flags,
                                                      const Arguments& arguments, mesos::internal::slave::GarbageCollector* collector,
                                                      mesos::internal::slave::VolumeGidManager* gids);
