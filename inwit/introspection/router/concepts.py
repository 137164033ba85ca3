"""What the words of a question are about, whichever word is used: "died" and "crashed" fail.

The lists name no intent: what a concept says about a question is learned from the examples.
"""

from __future__ import annotations

import re

from inwit.introspection.router.words import COMMON

_LISTS = {
    "fail": """fail fails failed failing failure failures crash crashes crashed crashing die dies
        died broke break breaks broken error errors errored exception exceptions traceback
        blew fault faults wrong blame timeout timeouts timed bombed barfed choked dead
        dying blown faulty flaky unstable panicked aborted kaput busted screwed
        malfunction malfunctioning misbehave misbehaves misbehaving incident outage
        trouble problem problems issue issues breakdown refuses refused rejected rejects""",
    "slow": """slow slower slowest sluggish latency duration long crawl crawled crawling dragged
        lag laggy spike forever ages snail hang hangs hung hanging delay delays delayed
        lagging longer latencies stall stalled stalls bottleneck bottlenecks overdue waits""",
    "fast": """fast faster fastest quick quicker quickest sooner speed speedup speeding rapid
        accelerate instantly shorten snappier snappy speedier nimble shave""",
    "money": """cost costs spend spending money bill price cheap cheaper cheapest expensive budget
        dollars cents savings pricey costly euros expenditure expenses economise economize
        invoice priced charges burn burning burned spent""",
    "reason": """why y whyd reason reasons cause causes caused because explain explains explanation
        responsible blame root led behind driving triggered grounds diagnose culprit made
        story wherefrom prompted trigger origin motive wherefore attributable underlying
        due owing happened culprits drives pushed""",
    "hypothesis": """if whatif would suppose imagine assuming assume hypothetically had simulate
        counterfactual predict estimate expected expect say effect impact consequences
        outcome gain hypothetical scenario provided forecast projected pretend
        theoretically whether""",
    "change": """cached caching memoised memoized parallel parallelise parallelize parallelised
        concurrently concurrency concurrent removed removing remove without skipped skip skipping
        dropped dropping drop disabled deleted delete replaced swapped halved doubled tripled
        instead double half twice""",
    "bound": """most max maximum maximal cap caps capped limit limits limited limiting only once
        twice thrice forbid forbidden forbade allow allows allowed allowing permit permitted
        restrict restricted least minimum bounded""",
    "contrast": """differ differs differed difference differences different distinguish
        distinguishes distinguished contrast versus vs unlike apart separates separate sets parts
        common compared compare against""",
    "advice": """recommend recommended recommendation recommendations suggest suggestion
        suggestions advise advice tip tips improve improvement improvements optimise
        optimize optimisation optimization optimised optimized reduce lower cut save avoid
        prevent tune ideas options should best better ought worth tweak quick wins help
        propose proposal proposals remedy mitigate mitigation remedies prioritise
        prioritize strategies ways measures trim shrink minimise minimize fix fixes lever
        levers advisable wise wiser prefer""",
    "self": """am i me my myself we our us""",
    "fitness": """healthy health well ok okay fine normal normally unusual unusually usual abnormal
        abnormally odd weird regress regression worse drift drifting shifted acceptable
        reasonable alright behaving track slo objectives baseline stuck circles wasting
        performing progress quality rate evaluate assess compare fit shape condition
        verdict trend trending deviates deviating sane sanity anomalous anomaly anomalies
        limits steady sturdy stability reliability consistent nominal""",
    "time": """when moment date since began begin started start finished finish ended end eta
        seconds minutes milliseconds hours long duration runtime timings first earliest
        ago schedule often frequency p50 p90 p95 p99 percentile percentiles median average
        timestamp longest shortest elapsed oclock hour minute second day week latest soon
        deadline""",
    "now": """now currently current atm moment presently running active progress pending waiting
        paused flight idle underway ongoing inflight meanwhile""",
    "count": """many number count much total sum rate ratio share throughput percent amount
        quantity tally numbers times""",
    "past": """last latest yesterday recent recently ago ran did was were happened had history""",
    "content": """value values input inputs output outputs argument arguments returned return
        receive received contain contains holds dump print state checkpoint message
        content contents result results payload response reply outcome produced gave hold
        stored stores said say says wrote""",
    "find": """find search look lookup grep mention mentions mentioning containing contain
        contains matching filter about where which with asking locate dig hunt trawl
        matches spot show pull identify retrieve""",
    "graph": """graph graphs workflow workflows flow pipeline agent bot app application project
        topology wiring layout architecture blueprint chart""",
    "node": """node nodes step steps stage stages component components block phase phases""",
    "edge": """edge edges route routes branch branches path successor successors predecessor
        predecessors after before between next reach reachable unreachable entry terminal
        loop loops cycle cycles connected order downstream upstream succeeds precedes
        follows follow detour transition transitions wired lead leads comes goes connects
        join""",
    "schema": """schema key keys field fields type types reducer reads read writes write written
        structure diagram mermaid docstring defined definition implemented source datatype
        datatypes attribute attributes property properties variable variables shape""",
    "execution": """execution executions run runs trace traces thread threads invocation event events
        visit visits attempt attempts session sessions invocations""",
    "feature": """supported support supports available implemented exist exists possible built
        default defaults feature features compatible included offer offers allowed enabled
        have version license licence limit kinds types modes backends able can shipped
        capable ability capability capabilities compatibility integrations integration""",
    "platform": """inwit framework platform library system product cli mcp dashboard ui server daemon
        telemetry capture""",
    "topic": """checkpoint checkpoints checkpointing checkpointer checkpointers interrupt interrupts
        stream streaming retry retries timeout timeouts reducer reducers subgraph subgraphs send
        durability cache caching encryption encrypted redaction redacted tracing replay plugin
        plugins template templates optimizer optimizers prometheus telemetry recursion durability
        concurrency metric metrics distillation distributed prompt prompts memory llm openai
        anthropic persona personality conditional async asynchronous structured approval human
        token tokens secret secrets parallel""",
    "teach": """how howto guide tutorial example examples steps syntax docs documentation code
        sample snippet instructions configure set setup enable disable write define create
        build install connect hook add use usage turn implement implementing register
        subscribe migrate port hw walkthrough import wire snippets recipe learn instruct teach manual
        quickstart boilerplate explain cookbook tip demonstrate""",
    "package": """package packages packges pkg pkgs library libraries module modules connector
        registry marketplace toolkit toolpack pack extension extensions addon addons
        plugin plugins component""",
    "publish": """published publish publisher publishes author authors released release signed
        community shared downloaded popular newest license licence trusted verified
        maintained maintainer maintains vendor creator owner licensed download downloads""",
    "need": """need looking wanted anything something any find get there anybody someone offer
        provides ready made alternatives similar""",
    "peer": """peer peers host hosts worker workers machine machines colony cluster instance
        instances network neighbour neighbours neighbor registries remote nearby box boxes
        site sites neighbouring nodes servers""",
    "reach": """reach reached reachable unreachable online offline up down alive respond responds
        answering connection connected reply near around heartbeat connectivity dead
        responding responsive pingable ping""",
    "foreign": """kubernetes k8s kubectl pod pods docker container nginx aws gcp azure lambda react
        javascript java css html wordpress website git github gitlab jenkins jira airflow
        spark pandas numpy pytorch tensorflow keras ubuntu debian windows laptop phone
        printer wifi vpn excel autogpt chatgpt gpu langchain crewai autogen llamaindex
        terraform ansible hadoop ssh redis postgres mysql mongodb sql server iphone
        android email mail div helm eks s3 ec2 cluster vm elasticsearch kafka flask django
        rails php ruby golang rust swift kotlin magento outlook powerpoint word teams zoom
        slack notion trello asana macbook mac bios driver usb hdmi monitor keyboard mouse
        browser firefox safari chrome edge vscode intellij eclipse selenium jest webpack
        npm yarn maven gradle bash powershell regex csv pdf latex""",
    "life": """weather rain joke poem song music movie film book recipe cook pasta pizza egg food
        restaurant hotel flight train bus airport car drive house rent bank stock bitcoin
        invest weight sleep happy rich love sky cat cats dog dinosaurs moon president king
        war born capital country city population translate spanish french german italian
        homework essay haiku story headlines news birthday dentist doctor calendar world
        cup football planet life god lottery job boss mom facebook google amazon tonight
        tomorrow ticket tickets dinner lunch breakfast vacation holiday shopping salary
        tax taxes medicine tooth teeth hair garden plant plants dogs school exam math
        geometry history religion politics election minister celebrity netflix spotify
        youtube instagram whatsapp tiktok tesla bike bicycle coffee beer wine bread tea
        soup cake weekend wedding party gift present mother father sister brother wife
        husband kids baby friend girlfriend boyfriend gym marathon olympic olympics goal
        league season match champion actor singer band album lyrics guitar piano museum
        beach mountain river lake sea ocean island animal animals bird birds fish horse
        whale elephant lion tree flower apple banana orange potato rice chicken beef
        kitchen sofa table chair lamp door window roof apartment mortgage pension gold
        silver diamond currency euro dollar pound yen horoscope zodiac star stars galaxy
        sun mars jupiter black hole dream dreams ghost castle dragon pirate princess""",
}
_OF_WORD: dict[str, tuple[str, ...]] = {}
for _concept, _words in _LISTS.items():
    for _word in _words.split():
        if _concept not in _OF_WORD.get(_word, ()):
            _OF_WORD[_word] = (*_OF_WORD.get(_word, ()), _concept)

_API = re.compile(
    r"\b(?:without_\w+|add_\w*(?:edge|edges|node)|set_\w+_point|thread_id|max_attempts|update_state"
    r"|get_state\w*|draw_mermaid|stream_mode|StateGraph|RetryPolicy|CachePolicy|interrupt_\w+"
    r"|generate_help|handle_help|\w+\.(?:unknown|invalid|full|locked|error)\w*)\b|\b\w+\(\)"
)
_STRANGE = frozenset(_LISTS["foreign"].split()) | frozenset(_LISTS["life"].split())
_FAMILIAR = (COMMON | frozenset(_OF_WORD)) - _STRANGE


def concepts(tokens: list[str]) -> list[str]:
    """The concepts of a question's words, each once, in their order."""
    found: dict[str, None] = {}
    for token in tokens:
        for concept in _OF_WORD.get(token, ()):
            found[concept] = None
    return list(found)


def is_familiar(token: str) -> bool:
    """Whether a word belongs to the vocabulary that questions about this world are made of."""
    return token in _FAMILIAR or not token.isalpha() or len(token) < 3


def is_strange(token: str) -> bool:
    """Whether a word belongs to the vocabulary of other worlds."""
    return token in _STRANGE


def vocabulary() -> frozenset[str]:
    """The words of this world and of others that are known by their spelling."""
    return frozenset(_OF_WORD)


def is_api(name: str) -> bool:
    """Whether a code-like word is a name of inwit's own."""
    return _API.fullmatch(name) is not None
