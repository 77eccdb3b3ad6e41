// mesos-master: puts the library's parts together as Mesos' own main() does.
#include <unistd.h>

#include "authorization.h"
#include "library.h"
#include "programs.h"

using namespace mesos::internal::master;
using mesos::log::Log;
using mesos::master::contender::MasterContender;
using mesos::master::detector::MasterDetector;
using mesos::master::detector::StandaloneMasterDetector;

static const string READERS = "mesos-master-readonly", WRITERS = "mesos-master-readwrite";

// Without ZooKeeper the master appoints itself: everything is passed on, and the detector learns the master's own MasterInfo.
struct SelfAppointing : MasterContender {
  SelfAppointing(MasterContender* inner, MasterDetector* detector) : inner(inner), detector(detector) {}
  void initialize(const mesos::MasterInfo& info) override {
    inner->initialize(info);
    reinterpret_cast<StandaloneMasterDetector*>(detector)->appoint(Option<mesos::MasterInfo>(info));
  }
  process::Owned<void> contend() override { return inner->contend(); }
  MasterContender* inner;
  MasterDetector* detector;
};

static Log* replicatedLog(const Settings& settings, const Option<string>& zk) {
  if (!settings.has("work_dir")) quit("--work_dir needed for replicated log based registry");
  const string folder = settings.text("work_dir"), path = folder + "/replicated_log";
  auto made = os::mkdir(folder, true, false);
  if (made.isError()) quit("Failed to create work directory '" + folder + "': " + made.error());
  const bool initialize = settings.on("log_auto_initialize");
  const Option<string> metrics(string("registrar/"));
  if (!zk.isSome()) return make<Log>(1, path, std::set<process::UPID>(), initialize, metrics);
  if (!settings.has("quorum")) quit("Need to specify --quorum for replicated log based registry when using ZooKeeper");
  auto url = zookeeper::URL::parse(zk.get());
  if (url.isError()) quit("Error parsing ZooKeeper URL: " + url.error());
  const string& top = url.get().path;
  const string znode = top.substr(0, top.find_last_not_of('/') + 1) + "/log_replicas";
  return make<Log>(atoi(settings.text("quorum").c_str()), path, url.get().servers, settings.duration("zk_session_timeout"), znode,
                   url.get().authentication, initialize, metrics);
}

static mesos::state::State* registry(const Settings& settings, const Option<string>& zk) {
  const string kind = settings.text("registry");
  void* storage = nullptr;
  if (kind == "in_memory") {
    if (zk.isSome()) quit("The 'in_memory' registry does not support the use of the '--zk' flag");
    storage = make<mesos::state::InMemoryStorage>();
  } else if (kind == "replicated_log") {
    storage = make<mesos::state::LogStorage>(replicatedLog(settings, zk), 0);
  } else {
    quit("'" + kind + "' is not a supported option for registry persistence");
  }
  return new mesos::state::State(static_cast<mesos::state::Storage*>(storage));
}

// --agent_removal_rate_limit=<number>/<duration>
static Option<std::shared_ptr<process::RateLimiter>> removalLimit(const Settings& settings) {
  if (!settings.has("agent_removal_rate_limit")) return {};
  const string limit = settings.text("agent_removal_rate_limit");
  const size_t slash = limit.find('/');
  const int permits = atoi(limit.c_str());
  if (slash == string::npos || permits <= 0) quit("Invalid agent_removal_rate_limit: " + limit + ". Format is <Number of agents>/<Duration>");
  auto duration = Duration::parse(limit.substr(slash + 1));
  if (duration.isError()) quit("Failed to parse the duration of agent_removal_rate_limit: " + duration.error());
  return {std::make_shared<process::RateLimiter>(permits, duration.get())};
}

static Settings masterSettings(Flags& flags, const Arguments& arguments) {
  const Settings settings = load(&flags, arguments, {"modules", "modules_dir", "hooks", "firewall_rules", "master_contender",
                                                     "master_detector", "ip_discovery_command"});
  allow(settings, "allocator", {"hierarchical", "HierarchicalDRF"});
  allow(settings, "role_sorter", {"drf"});
  allow(settings, "framework_sorter", {"drf"});
  allow(settings, "authorizers", {"local"});
  return settings;
}

int master(const Arguments& arguments) {
  Flags& flags = *make<Flags>();
  const Settings settings = masterSettings(flags, arguments);
  const Option<string> readers(READERS), zk = settings.contents("zk");
  const Option<Duration> session(settings.duration("zk_session_timeout"));
  if (!process::initialize(Option<string>(string("master")), Option<string>(WRITERS), readers)) quit("libprocess was running already");
  process::spawn(asProcess(make<mesos::internal::VersionProcess>()), true);
  auto* allocator = make<allocator::MesosAllocator<allocator::HierarchicalAllocatorProcess<allocator::DRFSorter, allocator::DRFSorter>>>();
  auto* registrar = make<Registrar>(flags, registry(settings, zk), readers);
  auto* contender = need(MasterContender::create(zk, Option<string>(), session), "a master contender");
  auto* detector = need(MasterDetector::create(zk, Option<string>(), session), "a master detector");
  if (!zk.isSome()) contender = new SelfAppointing(contender, detector);
  auto authorization = authorizer(settings);
  runActor(make<Master>(reinterpret_cast<mesos::allocator::Allocator*>(allocator), registrar,
                        make<mesos::internal::Files>(readers, authorization), contender, detector, authorization,
                        removalLimit(settings), flags));
  _exit(EXIT_SUCCESS);
}
