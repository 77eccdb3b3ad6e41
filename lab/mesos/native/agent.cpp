// mesos-agent: puts the library's parts together as Mesos' own main() does.
#include <unistd.h>

#include "authorization.h"
#include "containerizers.h"
#include "library.h"
#include "programs.h"

using namespace mesos::internal::slave;
using mesos::master::detector::MasterDetector;

static const string READERS = "mesos-agent-readonly", WRITERS = "mesos-agent-readwrite";
// Without the tracker a request to this one endpoint would end the agent.
static const char* const TRACKERS_ENDPOINT = "/containerizer/debug";

static Settings agentSettings(Flags& flags, const Arguments& arguments) {
  const Settings settings = load(&flags, arguments, {"modules", "modules_dir", "hooks", "firewall_rules", "master_detector",
                                                     "ip_discovery_command", "ip6_discovery_command", "agent_subsystems",
                                                     "csi_plugin_config_dir"});
  if (!settings.has("master")) quit("Missing required option `--master` or `--master_detector`");
  allow(settings, "authorizer", {"local"});
  if (settings.on("http_executor_domain_sockets")) quit("--http_executor_domain_sockets is not supported by this build of Mesos");
  return settings;
}

static void useSystemd(const Settings& settings, const char* program) {
  if (!settings.on("systemd_enable_support") || !systemd::exists()) return;
  auto* flags = make<systemd::Flags>();
  const string runtime = "--runtime_directory=" + settings.text("systemd_runtime_directory");
  const string cgroups = "--cgroups_hierarchy=" + settings.text("cgroups_hierarchy");
  const char* arguments[] = {program, "--enabled=true", runtime.c_str(), cgroups.c_str()};
  auto loaded = asFlags(flags)->load(Option<string>(), 4, arguments, false, false);
  if (loaded.isError()) quit(loaded.error());
  need(systemd::initialize(*flags), "the state of systemd");
}

// Makes the tokens by which executors prove who they are. The key is every byte of its file: the library checks them with that.
static mesos::SecretGenerator* secretGenerator(const Settings& settings) {
  if (!settings.has("jwt_secret_key")) return nullptr;
  auto* generator = make<mesos::authentication::executor::JWTSecretGenerator>(readFile(settings.text("jwt_secret_key")));
  return reinterpret_cast<mesos::SecretGenerator*>(generator);
}

int agent(const Arguments& arguments) {
  Flags& flags = *make<Flags>();
  const Settings settings = agentSettings(flags, arguments);
  const Option<string> readers(READERS);
  const string id = process::ID::generate("slave");
  if (!process::initialize(Option<string>(id), Option<string>(WRITERS), readers)) quit("libprocess was running already");
  process::spawn(asProcess(make<mesos::internal::VersionProcess>()), true);
  useSystemd(settings, arguments.values[0]);
  auto* collector = make<GarbageCollector>(settings.text("work_dir"));
  auto* gids = settings.has("volume_gid_range") ? need(VolumeGidManager::create(flags), "a volume gid manager") : nullptr;
  auto* containerizer = containerizers(settings, flags, arguments, collector, gids);
  const Option<Duration> session(settings.duration("zk_session_timeout"));
  auto* detector = need(MasterDetector::create(settings.contents("master"), Option<string>(), session), "a master detector");
  auto authorization = authorizer(settings, TRACKERS_ENDPOINT);
  auto* estimator = need(mesos::slave::ResourceEstimator::create(settings.optional("resource_estimator")), "a resource estimator");
  auto* controller = need(mesos::slave::QoSController::create(settings.optional("qos_controller")), "a QoS controller");
  runActor(make<Slave>(id, flags, detector, containerizer, make<mesos::internal::Files>(readers, authorization), collector,
                       make<TaskStatusUpdateManager>(flags), estimator, controller, secretGenerator(settings), gids, NO_TRACKER,
                       SINCE_1_11(process::Owned<CSIServer>()) Option<DomainSocket>(), authorization));
  _exit(EXIT_SUCCESS);
}
