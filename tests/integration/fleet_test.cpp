// SPDX-License-Identifier: BSD-3-Clause
//
// The files of packaging/fleet for many machines: the units, without a running systemd; the
// manifest for Kubernetes, without a cluster; and the real backups that both make.
#include "support/s3_test.hpp"
#include "support/systemd_units.hpp"

namespace nbdstream::test {
namespace {

/// Checks the manifest against the members that the Kubernetes API allows for these kinds of
/// object. Prints the command of the container, a word a line.
const char* const check_manifest = R"(
import re, sys, yaml

class Loader(yaml.SafeLoader):
    pass
def unique(loader, node):
    keys = [k.value for k, _ in node.value]
    assert len(keys) == len(set(keys)), keys
    return loader.construct_mapping(node, deep=True)
Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)
o, = yaml.load_all(open(sys.argv[1]), Loader)

def only(of, required, optional=''):
    required, optional = set(required.split()), set(optional.split())
    assert required <= of.keys() <= required | optional, (of.keys() - required - optional,
                                                          required - of.keys())
def name(text):
    assert re.fullmatch('[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?', text), text
def quantity(text):
    assert re.fullmatch('[0-9]+(m|Mi|Gi)?', text), text
def number(n):
    assert type(n) is int and n >= 0, n
def label(of):
    assert all(type(v) is str for v in of.values())

assert (o['apiVersion'], o['kind']) == ('batch/v1', 'CronJob')
only(o, 'apiVersion kind metadata spec')
only(o['metadata'], 'name', 'labels')
name(o['metadata']['name'])
assert len(o['metadata']['name']) <= 52
cron = o['spec']
only(cron, 'schedule jobTemplate', 'concurrencyPolicy startingDeadlineSeconds '
     'successfulJobsHistoryLimit failedJobsHistoryLimit')
assert re.fullmatch(r'(\d+|\*) (\d+|\*) \* \* \*', cron['schedule'])
assert cron['concurrencyPolicy'] in ('Allow', 'Forbid', 'Replace')
for n in 'startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit':
    number(cron[n])
only(cron['jobTemplate'], 'spec', 'metadata')
job = cron['jobTemplate']['spec']
only(job, 'template', 'backoffLimit activeDeadlineSeconds podFailurePolicy')
number(job['backoffLimit']); number(job['activeDeadlineSeconds'])
only(job['template'], 'spec metadata')
pod = job['template']['spec']
only(pod, 'containers restartPolicy', 'terminationGracePeriodSeconds securityContext volumes '
     'automountServiceAccountToken')
assert pod['restartPolicy'] == 'Never'  # podFailurePolicy wants that
number(pod['terminationGracePeriodSeconds'])
only(pod['securityContext'], '', 'runAsNonRoot runAsUser runAsGroup seccompProfile')
assert pod['securityContext']['seccompProfile'] == {'type': 'RuntimeDefault'}
c, = pod['containers']
only(c, 'name image command', 'envFrom env volumeDevices volumeMounts resources securityContext')
only(c['securityContext'], '', 'allowPrivilegeEscalation readOnlyRootFilesystem capabilities')
assert c['securityContext']['capabilities'] == {'drop': ['ALL']}
for e in c['envFrom']:
    only(e, 'secretRef'); only(e['secretRef'], 'name'); name(e['secretRef']['name'])
for e in c['env']:
    only(e, 'name value')
    assert type(e['value']) is str
for part in c['resources'].values():
    only(part, '', 'cpu memory')
    for q in part.values():
        quantity(q)
for rule in job['podFailurePolicy']['rules']:
    only(rule, 'action onExitCodes')
    assert rule['action'] in ('FailJob', 'Ignore', 'Count')
    codes = rule['onExitCodes']
    only(codes, 'operator values', 'containerName')
    assert codes['containerName'] == c['name'] and codes['operator'] in ('In', 'NotIn')
    assert all(type(v) is int and v > 0 for v in codes['values'])
used = set()
for v in c['volumeDevices']:
    only(v, 'name devicePath'); used.add(v['name'])
for v in c['volumeMounts']:
    only(v, 'name mountPath', 'readOnly'); used.add(v['name'])
assert used == {v['name'] for v in pod['volumes']}
for v in pod['volumes']:
    name(v['name'])
    kind, = v.keys() - {'name'}
    only(v[kind], *{'persistentVolumeClaim': ('claimName', 'readOnly'),
                    'emptyDir': ('', 'sizeLimit medium')}[kind])
assert all(type(w) is str for w in c['command'])
print('\n'.join(c['command']))
)";

const std::string fleet_directory = source_directory + "/packaging/fleet/";

class Fleet : public s3_test {
 protected:
  Fleet() {
    write_unit("nbdstream-backup@.service", NBDSTREAM_BUILD "/packaging/fleet/");
    write_unit("nbdstream-backup@.timer", fleet_directory);
    write_unit("nbdstream-backup.slice", fleet_directory);
  }

  void write_unit(const std::string& name, const std::string& from) const {
    write_file(path(name), with_the_program_of_this_build(read_file(from + name)));
  }

  /// Starts an S3 server with the bucket of the examples.
  void start_store() { start_server({"--bucket", "backup"}); }

  /// Replaces the endpoint in an example by that of the test's server.
  [[nodiscard]] std::string here(std::string text) const {
    return replaced(std::move(text), "https://s3.example", endpoint());
  }

  /// Runs a shell script with the keys of the server in its environment.
  [[nodiscard]] result run_with_keys(const std::string& script) const {
    auto how = with_keys();
    how.environment.push_back("PATH=" NBDSTREAM_BIN ":/usr/bin:/bin");
    return start({"/bin/sh", "-ec", script}, how).wait();
  }

  /// Runs ExecStart as systemd does, with the example of backup.env and `disk` in it. ${SINK} and
  /// ${JOB} are one word each, whatever they contain; $OPTIONS is split into words.
  [[nodiscard]] result run_service(const std::string& disk,
                                   const std::string& end_of_job = {}) const {
    make_disk(20 * MiB);
    write_file(path("backup.env"),
               replaced(replaced(here(read_file(fleet_directory + "backup.env")),
                                 R"("rbd:vms/$exportname@nightly")", disk),
                        R"("$uri"')", R"("$uri")" + end_of_job + '\''));
    std::string command = value_of("ExecStart", read_file(path("nbdstream-backup@.service")));
    command = replaced(command, " ${SINK} ", " \"${SINK}\" ");
    command = replaced(command, " ${JOB}", " \"${JOB}\"");
    command = replaced(command, "%S/nbdstream-backup/%i", path("vm1").string());
    command = replaced(command, "%i", "vm1");
    return run_with_keys(". ./backup.env\n" + command);
  }

  /// Expects exactly one object of vm1, which decompresses to in.raw.
  void expect_backup_of_vm1() const {
    const auto names = names_in("s3/objects/backup");
    ASSERT_EQ(names.size(), 1U);
    const auto& name = *names.begin();
    EXPECT_TRUE(name.starts_with("vm1%2F2") && name.ends_with("Z.raw.zst")) << name;
    const auto object = path("s3/objects/backup/" + name).string();
    EXPECT_TRUE(ended_with(0, start_shell("zstd -dc '" + object + "' | cmp - in.raw").wait()));
  }
};

TEST_F(Fleet, SystemdAnalyzeVerifyAcceptsTheUnits) {
  for (const char* name :
       {"./nbdstream-backup@.service", "./nbdstream-backup@.timer", "./nbdstream-backup.slice"}) {
    const result seen = start({"systemd-analyze", "verify", "--man=no", name}).wait();
    EXPECT_TRUE(ended_with(0, seen));
    EXPECT_EQ(seen.err.find("nbdstream-backup"), std::string::npos) << seen.err;
  }
}

TEST_F(Fleet, ServiceHasASecurityExposureBelow2) {
  const result rated = start({"systemd-analyze", "security", "--offline=true", "--threshold=19",
                              "--no-pager", "nbdstream-backup@.service"})
                           .wait();
  EXPECT_TRUE(ended_with(0, rated)) << rated.out;
}

TEST_F(Fleet, TimerHasAFixedRandomDelayAndIsPersistent) {
  const std::string timer = read_file(path("nbdstream-backup@.timer"));
  EXPECT_EQ(value_of("RandomizedDelaySec", timer), "7h");
  EXPECT_EQ(value_of("FixedRandomDelay", timer), "yes");
  EXPECT_EQ(value_of("Persistent", timer), "yes");
  // Two successive starts are 24 hours apart.
  const result calendar =
      start({"systemd-analyze", "calendar", "--iterations=2", "--base-time=2026-01-01 00:00:00 UTC",
             value_of("OnCalendar", timer)})
          .wait();
  EXPECT_TRUE(ended_with(0, calendar));
  EXPECT_TRUE(mentions(calendar.out, "2026-01-01 21:00:00"));
  EXPECT_TRUE(mentions(calendar.out, "2026-01-02 21:00:00"));
}

TEST_F(Fleet, ServiceBacksUpADiskWithTheExampleSettings) {
  start_store();
  EXPECT_TRUE(ended_with(0, run_service(path("in.raw").string())));
  expect_backup_of_vm1();
  EXPECT_TRUE(mentions(read_file(path("vm1.prom")), R"(outcome="committed"} 1)"));
}

/// systemd takes an exit status of the command other than 0 for a failure of the unit.
TEST_F(Fleet, ServiceStoresNoObjectIfTheDiskCannotBeRead) {
  start_store();
  EXPECT_TRUE(ended_with(1, run_service("missing.raw")));
  EXPECT_EQ(names_in("s3/objects/backup"), std::set<std::string>{});
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(Fleet, ServiceStoresNoObjectIfTheJobFailsAtItsEnd) {
  start_store();
  EXPECT_TRUE(ended_with(3, run_service("in.raw", "; exit 3")));
  EXPECT_EQ(names_in("s3/objects/backup"), std::set<std::string>{});
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(Fleet, CronJobManifestIsValidAndMakesABackup) {
  start_store();
  make_disk(20 * MiB);
  const result checked =
      start({"/usr/bin/python3", "-c", check_manifest, fleet_directory + "backup-cronjob.yaml"})
          .wait();
  ASSERT_TRUE(ended_with(0, checked));
  std::string script;
  std::istringstream words(replaced(here(checked.out), "/dev/disk", path("in.raw").string()));
  for (std::string word; std::getline(words, word);) script += "'" + word + "' ";
  EXPECT_TRUE(ended_with(0, run_with_keys(script)));
  expect_backup_of_vm1();
}

}  // namespace
}  // namespace nbdstream::test
