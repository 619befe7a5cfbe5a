//! Containers and networks through their whole life.

use std::net::Ipv4Addr;
use std::time::Duration;

use landfall_docker::{Attachment, NetworkSpec, Networking, Restart, State};

use crate::bench::Bench;

#[tokio::test]
async fn a_container_lives_and_is_read_back() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let wanted = NetworkSpec { name: format!("{}-net", bench.name), labels: bench.labels(), internal: true };
    let network = engine.ensure_network(&wanted).await.unwrap();
    assert_eq!(engine.ensure_network(&wanted).await.unwrap(), network, "made once");
    let subnet = network.subnet.unwrap();
    let address: Ipv4Addr = subnet.hosts().nth(7).unwrap();
    let mut spec = bench.shell("a", "trap 'exit 7' TERM; sleep 1000 & wait");
    spec.environment.insert("KEY".to_owned(), "value".to_owned());
    spec.network = Networking::Joined(Attachment {
        network: wanted.name.clone(),
        address: Some(address),
        aliases: vec!["web".to_owned()],
    });
    spec.restart = Restart::UnlessStopped;
    let id = engine.create(&spec).await.unwrap();
    assert!(engine.create(&spec).await.unwrap_err().message.contains(&spec.name), "the name is taken");
    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();

    let there = engine.container(&id).await.unwrap().unwrap();
    assert_eq!((there.state, there.name.as_str()), (State::Running, spec.name.as_str()));
    assert_eq!(there.addresses.get(&wanted.name), Some(&address));
    assert!(there.aliases[&wanted.name].contains(&"web".to_owned()));
    assert!(there.pid.is_some() && there.variables.contains(&"KEY".to_owned()));
    assert!(engine.network(&wanted.name).await.unwrap().unwrap().addresses.values().any(|at| *at == address));
    assert_eq!(engine.containers(&bench.filter()).await.unwrap(), vec![there]);

    engine.stop(&id, Duration::from_secs(10)).await.unwrap();
    let stopped = engine.container(&id).await.unwrap().unwrap();
    assert_eq!((stopped.state, stopped.exit_code), (State::Exited, Some(7)));
    // Its address is its own while it is away.
    assert_eq!(stopped.addresses.get(&wanted.name), Some(&address));
    engine.start(&id).await.unwrap();
    assert_eq!(engine.container(&id).await.unwrap().unwrap().addresses.get(&wanted.name), Some(&address));
    assert!(engine.remove(&id).await.unwrap());
    assert!(!engine.remove(&id).await.unwrap());
    assert!(!engine.kill(&id, "SIGHUP").await.unwrap());
    assert_eq!(engine.container(&id).await.unwrap(), None);
    bench.tear_down().await;
}

#[tokio::test]
async fn a_place_in_a_network_that_is_lost_is_told() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let wanted = NetworkSpec { name: format!("{}-net", bench.name), labels: bench.labels(), internal: true };
    let network = engine.ensure_network(&wanted).await.unwrap();
    let address = network.free().next().unwrap();
    let shell = |name: &str, address: Option<Ipv4Addr>| {
        let mut spec = bench.shell(name, "trap 'exit 0' TERM; sleep 1000 & wait");
        spec.network =
            Networking::Joined(Attachment { network: wanted.name.clone(), address, aliases: Vec::new() });
        spec
    };
    let first = engine.create(&shell("a", Some(address))).await.unwrap();
    // Whoever asks for none has none that is given for good, also while nobody has that.
    let other = engine.create(&shell("b", None)).await.unwrap();
    engine.start(&other).await.unwrap();
    let at = engine.container(&other).await.unwrap().unwrap().addresses[&wanted.name];
    assert!(network.subnet.unwrap().contains(at) && !network.can_give(at), "{at}");

    let thief = engine.create(&shell("c", Some(address))).await.unwrap();
    engine.start(&thief).await.unwrap();
    engine.start(&first).await.unwrap_err();
    assert!(engine.container(&first).await.unwrap().unwrap().lost_its_place());
    assert!(!engine.network(&wanted.name).await.unwrap().unwrap().free().any(|free| free == address));
    engine.remove(&thief).await.unwrap();
    engine.start(&first).await.unwrap();
    for container in [&first, &other] {
        engine.stop(container, Duration::from_secs(10)).await.unwrap();
    }
    assert!(engine.remove_network(&wanted.name).await.unwrap());
    engine.ensure_network(&wanted).await.unwrap();
    engine.start(&first).await.unwrap_err();
    assert!(engine.container(&first).await.unwrap().unwrap().lost_its_place());
    bench.tear_down().await;
}

#[tokio::test]
async fn a_container_joins_and_leaves_a_network_while_it_runs() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let wanted =
        NetworkSpec { name: format!("{}-names", bench.name), labels: bench.labels(), internal: true };
    engine.ensure_network(&wanted).await.unwrap();
    let other =
        NetworkSpec { name: format!("{}-egress", bench.name), labels: bench.labels(), internal: false };
    engine.ensure_network(&other).await.unwrap();
    let place = |network: &str| Attachment {
        network: network.to_owned(),
        address: None,
        aliases: vec!["web".into()],
    };
    let mut spec = bench.shell("a", "sleep 1000");
    spec.network = Networking::Joined(place(&other.name));
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.join(&id, &place(&wanted.name)).await.unwrap();
    engine.join(&id, &place(&wanted.name)).await.unwrap();
    assert!(engine.container(&id).await.unwrap().unwrap().addresses.contains_key(&wanted.name));
    assert!(engine.leave(&id, &wanted.name).await.unwrap());
    assert!(!engine.leave(&id, &wanted.name).await.unwrap());
    assert!(engine.remove_network(&other.name).await.is_err(), "a container is in it");
    bench.tear_down().await;
}

#[tokio::test]
async fn a_network_of_somebody_else_is_not_taken() {
    let Some(bench) = Bench::set_up().await else { return };
    let mut wanted =
        NetworkSpec { name: format!("{}-net", bench.name), labels: bench.labels(), internal: false };
    bench.engine.ensure_network(&wanted).await.unwrap();
    wanted.labels.insert("io.landfall.app".to_owned(), "mine".to_owned());
    let fault = bench.engine.ensure_network(&wanted).await.unwrap_err();
    assert!(fault.message.contains("another one"), "{fault}");
    bench.tear_down().await;
}

#[tokio::test]
async fn one_that_wants_too_much_memory_is_told() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let mut spec = bench.shell("a", "tail /dev/zero");
    spec.memory = Some(32 << 20);
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap(), 137);
    let there = engine.container(&id).await.unwrap().unwrap();
    assert!(there.oom_killed, "{there:?}");
    let fault = there.failure().unwrap();
    assert!(fault.message.contains("want of memory (its limit is 32 MiB)"), "{fault}");
    assert!(fault.help.unwrap().contains("`memory`"));

    let id = engine.create(&bench.shell("b", "no-such-command")).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.wait(&id).await.unwrap();
    let fault = engine.container(&id).await.unwrap().unwrap().failure().unwrap();
    assert!(fault.message.contains("not in the image"), "{fault}");
    let id = engine.create(&bench.shell("c", "true")).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.wait(&id).await.unwrap();
    assert_eq!(engine.container(&id).await.unwrap().unwrap().failure(), None);
    bench.tear_down().await;
}

#[tokio::test]
async fn an_image_for_another_architecture_is_told_before_it_runs() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let mut build = bench.build("FROM scratch\nCOPY . /\n", &[("file", "x")]);
    build.platform = Some("linux/s390x".to_owned());
    let id = engine.build(build, &mut |_, _| ()).await.unwrap();
    let image = engine.image(id.as_str()).await.unwrap().unwrap();
    assert_eq!(image.architecture, "s390x");
    let fault = image.runs_on(engine.about()).unwrap_err();
    assert!(fault.message.contains("linux/s390x") && fault.help.is_some(), "{fault}");
    let base = engine.image(crate::bench::BASE).await.unwrap().unwrap();
    base.runs_on(engine.about()).unwrap();
    bench.tear_down().await;
}
