// Every class and function of the official code that is used here, declared so that the compiler writes the same symbol names as
// the library exports. No header of Mesos is used. A name that is wrong does not link.
//
// Classes are opaque: room without members. Nothing here reads them, and make() checks that the library needs less than half of
// the room. What is relied on beyond names is:
//   Option, Try, Result, Owned, Shared, Duration, Version, Warnings, Authentication, URL, State    the layouts written out below
//   MasterContender                                                       the order of its virtual functions
//   MesosContainerizerLaunch, NetworkCniIsolatorSetup                     where their flags lie (containerizer.cpp)
// checkLayouts() and containerizer.cpp try these at each start, on values that the library makes; releases.json pins the library
// by its SHA-256, so what was seen to hold keeps holding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

// Mesos 1.10 knows nothing of CSI servers: the one difference between the releases that matters here.
#ifdef MESOS_1_10
#define SINCE_1_11(...)
#else
#define SINCE_1_11(...) __VA_ARGS__,
#endif

using std::string;

// ---- templates of stout, which are in no library: {int state; T} and {Option<T>, Option<E>} --------------------------------------
struct InPlace {};

template <typename T>
class Option {
public:
  Option() : state(NONE) {}
  Option(const T& value) : state(SOME), content(value) {}
  // For values that can't be copied, because only the library knows how.
  explicit Option(InPlace) : state(SOME), content() {}
  Option(const Option& other) : state(other.state) {
    if (isSome()) new (&content) T(other.content);
  }
  Option& operator=(const Option&) = delete;
  ~Option() {
    if (isSome()) content.~T();
  }
  bool isSome() const { return state == SOME; }
  const T& get() const { return content; }

private:
  enum : int { SOME = 0, NONE = 1 } state;
  union {
    T content;
  };
};

struct Error {
  string message;
};

template <typename T>
class Try {
public:
  bool isError() const { return !data.isSome(); }
  const string& error() const { return failure.get().message; }
  const T& get() const { return data.get(); }
  const Option<T>& value() const { return data; }

private:
  Option<T> data;
  Option<Error> failure;
};

// An error, a value, or neither.
template <typename T>
class Result {
public:
  bool isNone() const { return !data.isError() && !data.get().isSome(); }

private:
  Try<Option<T>> data;
};

struct Nothing {};

struct Duration {
  int64_t nanoseconds;
  static Try<Duration> parse(const string&);
};

template <size_t size>
struct Opaque {
  alignas(8) char room[size];
};

// Apart from the two lists it is three numbers.
struct Version {
  uint32_t major, minor, patch;
  std::vector<string> prerelease, build;
};

namespace JSON {
struct Object {
  Opaque<sizeof(std::map<string, int>)> opaque;
};
}  // namespace JSON

namespace cgroups {
// Where a hierarchy of control groups v1 with this controller is mounted.
Result<string> hierarchy(const string& controller);
}  // namespace cgroups

namespace os {
Try<Nothing> mkdir(const string& folder, bool recursive, bool sync);
}

namespace flags {
struct Warning {
  string message;
};
struct Warnings {
  std::vector<Warning> list;
};
struct FlagsBase {
  Try<Warnings> load(const Option<string>& prefix, int argc, const char* const* argv, bool unknowns, bool duplicates);
  string usage(const Option<string>& message) const;
  std::map<string, string> buildEnvironment(const Option<string>& prefix) const;
};
}  // namespace flags

namespace process {
struct ProcessBase;
struct RateLimiter {
  RateLimiter(int permits, const Duration&);
  Opaque<256> opaque;
};
struct UPID {
  ~UPID();
  Opaque<512> opaque;
};
template <typename T>
struct Owned {
  std::shared_ptr<void> data;  // what it points to begins with a T*
};
template <typename T>
struct Shared {
  std::shared_ptr<void> data;  // as above; the rest of it is for giving the T back, which is not done here
};
// The arguments: the delegate, and the realms of authentication for writing and for reading.
bool initialize(const Option<string>&, const Option<string>&, const Option<string>&);
UPID spawn(ProcessBase*, bool manage);
bool wait(const UPID&, const Duration&);
namespace ID {
string generate(const string& prefix);
}
namespace network {
namespace unix {
struct Address;
}
namespace internal {
template <typename A>
struct Socket {
  std::shared_ptr<void> data;
};
}  // namespace internal
}  // namespace network
}  // namespace process

namespace zookeeper {
struct Authentication {
  string scheme, credentials;
};
struct URL {
  Option<Authentication> authentication;
  string servers, path;
  static Try<URL> parse(const string&);
};
}  // namespace zookeeper

namespace systemd {
struct Flags {
  Flags();
  Opaque<4096> opaque;
};
bool exists();
Try<Nothing> initialize(const Flags&);
}  // namespace systemd

namespace google {
namespace protobuf {
struct MessageLite {
  bool ParseFromString(const string&);
};
}  // namespace protobuf
}  // namespace google

struct Docker {
  static Try<process::Owned<Docker>> create(const string& program, const string& socket, bool validate, const Option<JSON::Object>& config);
  Try<Nothing> validateVersion(const Version& least) const;
};

namespace mesos {
struct Authorizer;
struct SecretGenerator;
struct MasterInfo {
  MasterInfo(const MasterInfo&);
  ~MasterInfo();
  Opaque<1024> opaque;
};
struct SecretResolver {
  static Try<SecretResolver*> create(const Option<string>& module);
};
struct Parameters {
  Parameters();
  Opaque<256> opaque;
};

namespace allocator {
struct Allocator;
}

namespace master {
namespace contender {
struct MasterContender {
  virtual ~MasterContender() {}
  virtual void initialize(const MasterInfo&) = 0;
  // A Future in truth, which is one shared_ptr, too.
  virtual process::Owned<void> contend() = 0;
  static Try<MasterContender*> create(const Option<string>& zk, const Option<string>& module, const Option<Duration>& session);
};
}  // namespace contender
namespace detector {
struct MasterDetector {
  static Try<MasterDetector*> create(const Option<string>& zk, const Option<string>& module, const Option<Duration>& session);
};
struct StandaloneMasterDetector {
  void appoint(const Option<MasterInfo>&);
};
}  // namespace detector
}  // namespace master

namespace log {
struct Log {
  Log(int quorum, const string& path, const std::set<process::UPID>&, bool initialize, const Option<string>& metrics);
  Log(int quorum, const string& path, const string& servers, const Duration& session, const string& znode,
      const Option<zookeeper::Authentication>&, bool initialize, const Option<string>& metrics);
  Opaque<1024> opaque;
};
}  // namespace log

namespace state {
struct Storage;
struct InMemoryStorage {
  InMemoryStorage();
  Opaque<256> opaque;
};
struct LogStorage {
  LogStorage(log::Log*, unsigned long diffs);
  Opaque<256> opaque;
};
struct State {
  explicit State(Storage* place) : storage(place) {}
  virtual ~State() {}
  Storage* storage;
};
}  // namespace state

namespace slave {
struct ContainerLogger {
  static Try<ContainerLogger*> create(const Option<string>& module);
};
struct ResourceEstimator {
  static Try<ResourceEstimator*> create(const Option<string>& module);
};
struct QoSController {
  static Try<QoSController*> create(const Option<string>& module);
};
}  // namespace slave

namespace authentication {
namespace executor {
struct JWTSecretGenerator {
  explicit JWTSecretGenerator(const string& key);
  Opaque<256> opaque;
};
}  // namespace executor
}  // namespace authentication

namespace internal {
struct PendingFutureTracker;
struct Files {
  Files(const Option<string>& realm, const Option<Authorizer*>&);
  Opaque<1024> opaque;
};
struct VersionProcess {
  VersionProcess();
  Opaque<8192> opaque;
};
struct LocalAuthorizer {
  static Try<Authorizer*> create(const Parameters&);
};
namespace build {
extern const Option<string> GIT_TAG;
}
namespace logging {
struct Flags {
  Flags();
  Opaque<4096> opaque;
};
void initialize(const string& program, bool handlers, const Option<Flags>&);
}  // namespace logging

namespace master {
struct Flags {
  Flags();
  Opaque<32768> opaque;
};
struct Registrar {
  Registrar(const Flags&, state::State*, const Option<string>& realm);
  Opaque<1024> opaque;
};
namespace allocator {
struct DRFSorter;
template <typename RoleSorter, typename FrameworkSorter>
struct HierarchicalAllocatorProcess;
template <typename Process>
struct MesosAllocator {
  MesosAllocator();
  Opaque<1024> opaque;
};
}  // namespace allocator
struct Master {
  Master(mesos::allocator::Allocator*, Registrar*, Files*, mesos::master::contender::MasterContender*,
         mesos::master::detector::MasterDetector*, const Option<Authorizer*>&,
         const Option<std::shared_ptr<process::RateLimiter>>& agentRemoval, const Flags&);
  Opaque<65536> opaque;
};
}  // namespace master

namespace slave {
struct CSIServer;
struct Flags {
  Flags();
  Opaque<32768> opaque;
};
struct Fetcher {
  explicit Fetcher(const Flags&);
  Opaque<1024> opaque;
};
struct GarbageCollector {
  explicit GarbageCollector(const string& workDir);
  Opaque<1024> opaque;
};
struct TaskStatusUpdateManager {
  explicit TaskStatusUpdateManager(const Flags&);
  Opaque<1024> opaque;
};
struct VolumeGidManager {
  static Try<VolumeGidManager*> create(const Flags&);
};
// The parameter after the tracker is CSIServer* since 1.11, and Owned<CSIServer>&& for an agent.
struct Containerizer {
#ifdef MESOS_1_10
  static Try<Containerizer*> create(const Flags&, bool local, Fetcher*, GarbageCollector*, SecretResolver*, VolumeGidManager*,
                                    PendingFutureTracker*);
#else
  static Try<Containerizer*> create(const Flags&, bool local, Fetcher*, GarbageCollector*, SecretResolver*, VolumeGidManager*,
                                    PendingFutureTracker*, CSIServer*);
#endif
};
struct NvidiaComponents {};
struct DockerContainerizer {
  DockerContainerizer(const Flags&, Fetcher*, const process::Owned<mesos::slave::ContainerLogger>&, process::Shared<Docker>,
                      const Option<NvidiaComponents>&);
  Opaque<256> opaque;
};
struct ComposingContainerizer {
  static Try<Containerizer*> create(const std::vector<Containerizer*>&);
};
using DomainSocket = process::network::internal::Socket<process::network::unix::Address>;
struct Slave {
  Slave(const string& id, const Flags&, mesos::master::detector::MasterDetector*, Containerizer*, Files*, GarbageCollector*,
        TaskStatusUpdateManager*, mesos::slave::ResourceEstimator*, mesos::slave::QoSController*, SecretGenerator*,
        VolumeGidManager*, PendingFutureTracker*, SINCE_1_11(process::Owned<CSIServer>&&) const Option<DomainSocket>&,
        const Option<Authorizer*>&);
  Opaque<65536> opaque;
};
struct MesosContainerizerLaunch {
  struct Flags {
    Flags();
    Opaque<8192> opaque;
  };
  int execute();
};
struct NetworkCniIsolatorSetup {
  struct Flags {
    Flags();
    Opaque<8192> opaque;
  };
  int execute();
};
}  // namespace slave
}  // namespace internal
}  // namespace mesos
