"""What comes with the package, by name: a table to add one entry to.

Names and texts only, so that `latentleak list` imports no model code; a test holds the table
against the classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that can be named on the command line.

    Attributes:
        kind: `defense`, `adversary` or `scenario`.
        id: Its name.
        path: `module:Class`.
        summary: One line.
        paper: Where it was published, or empty.
        claim: What a defence promises, or what a scenario asks.
    """

    kind: str
    id: str
    path: str
    summary: str
    paper: str = ""
    claim: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return asdict(self)


DPAGG = "Peetathawatchai et al., DPAgg-TI, SaTML 2026, https://arxiv.org/abs/2411.14639"
HE = "Chen et al., HE-Diffusion, 2024, https://arxiv.org/abs/2403.05794"
PPIDM = "Wang et al., PPIDM, TCSVT 2025, https://doi.org/10.1109/TCSVT.2025.3553514"
OBCLIP = "Wu et al., ObCLIP, NeurIPS 2025, https://arxiv.org/abs/2510.04153"
BUILT_IN = (
    Entry(
        kind="defense",
        id="obclip",
        path="latentleak.defenses.obclip.protocol:ObClip",
        summary="Hide the real prompt among all variants over its sensitive attributes.",
        paper=OBCLIP,
        claim="real candidate named with probability at most 1/N + slack, uniform prior",
    ),
    Entry(
        kind="defense",
        id="plain",
        path="latentleak.defenses.plain:Plain",
        summary="The prompt in the clear; the server runs every step.",
        claim="none: the control that every leak is measured against",
    ),
    Entry(
        kind="defense",
        id="dpagg-ti",
        path="latentleak.defenses.dp_adaptation.aggregation:Aggregation",
        summary="Publish the noisy mean of one textual inversion per private image.",
        paper=DPAGG,
        claim="(epsilon, delta)-DP of one image, replace-one",
    ),
    Entry(
        kind="defense",
        id="dp-guidance",
        path="latentleak.defenses.dp_adaptation.aggregation:Centroid",
        summary="Publish the noisy centroid of image features, as a target of guidance.",
        paper=f"{DPAGG} (version 1)",
        claim="(epsilon, delta)-DP of one image, replace-one",
    ),
    Entry(
        kind="defense",
        id="dp-sgd-ti",
        path="latentleak.defenses.dp_adaptation.dp_sgd:DpSgdInversion",
        summary="Train one embedding on all private images by DP-SGD.",
        paper="Abadi et al., DP-SGD, CCS 2016, https://arxiv.org/abs/1607.00133",
        claim="(epsilon, delta)-DP of one image, add-remove",
    ),
    Entry(
        kind="defense",
        id="plain-mean",
        path="latentleak.defenses.dp_adaptation.baselines:PlainMean",
        summary="Publish the mean of the embeddings as it is.",
        claim="none: the control that releases are measured against",
    ),
    *(
        Entry(
            kind="defense",
            id=f"he-{name}",
            path=f"latentleak.defenses.he_diffusion.variants:{kind}",
            summary=summary,
            paper=HE,
            claim="image and prompt hidden, no decryption oracle, 128 bits by two tables",
        )
        for name, kind, summary in (
            ("as-released", "AsReleased", "CKKS on the update; the server runs the U-Net."),
            ("client-unet", "ClientUnet", "CKKS on the update; the client runs the U-Net."),
            ("encrypted-term", "EncryptedTerm", "The same, with the update term encrypted too."),
            ("full-encryption", "FullEncryption", "The whole latent encrypted, the term not."),
            ("fully-hardened", "FullyHardened", "Everything encrypted, a fresh key a step."),
        )
    ),
    *(
        Entry(
            kind="defense",
            id=f"ppidm-{name}",
            path=f"latentleak.defenses.ppidm.variants:{kind}",
            summary=summary,
            paper=f"{PPIDM} (abstract only; the protocol is inferred)",
            claim=f"{hidden}; 67 % offloaded; PSNR at least {fidelity} dB",
        )
        for name, kind, summary, hidden, fidelity in (
            (
                "ring",
                "RingShares",
                "Linear layers at n servers, additive shares mod 2^k.",
                "any n - 1 servers learn nothing",
                "60",
            ),
            (
                "real",
                "RealShares",
                "Linear layers at n servers, Gaussian masks over the reals.",
                "one server's view leaks at most 25 %",
                "36.9",
            ),
            (
                "partition",
                "Partition",
                "Linear layers at n servers, a block of channels each, no masks.",
                "one server's view leaks at most 25 %",
                "36.9",
            ),
        )
    ),
    Entry(
        kind="defense",
        id="from-scratch",
        path="latentleak.defenses.trained:FromScratch",
        summary="The embedded model: long training on many families, no defence beyond that.",
        claim="members told from others with an AUC of at most 0.6",
    ),
    Entry(
        kind="defense",
        id="early-stopped",
        path="latentleak.defenses.trained:EarlyStopped",
        summary="A fine-tune on few portraits, stopped where validation is best.",
        claim="members told from others with an AUC of at most 0.6",
    ),
    Entry(
        kind="defense",
        id="dp-sgd-fine-tune",
        path="latentleak.defenses.trained:Private",
        summary="The same fine-tune by DP-SGD, clipping and noising the gradient of each picture.",
        paper="Abadi et al., DP-SGD, CCS 2016, https://arxiv.org/abs/1607.00133",
        claim="(epsilon, delta)-DP of one picture, add-remove; AUC of at most 0.6",
    ),
    Entry(
        kind="defense",
        id="overfitted",
        path="latentleak.defenses.trained:Overfitted",
        summary="The same fine-tune, for far too long.",
        claim="none: the control that every membership attack must find",
    ),
    Entry(
        kind="scenario",
        id="which-prompt",
        path="latentleak.scenarios.which_prompt:WhichPrompt",
        summary="A curious server guesses which candidate is real.",
        paper=OBCLIP,
        claim="Which of the candidate prompts did the client really ask for?",
    ),
    Entry(
        kind="scenario",
        id="which-prompt-timed",
        path="latentleak.scenarios.which_prompt:WhichPromptTimed",
        summary="The same question over TCP, where the server has a real clock.",
        paper=OBCLIP,
        claim="Does the client's response time tell the server which candidate is real?",
    ),
    Entry(
        kind="scenario",
        id="was-my-image-used",
        path="latentleak.scenarios.was_my_image_used:WasMyImageUsed",
        summary="Anyone who holds a release guesses whether one image was used.",
        paper=DPAGG,
        claim="Was my image in the collection that the model was adapted to?",
    ),
    Entry(
        kind="scenario",
        id="was-it-in-training",
        path="latentleak.scenarios.was_it_in_training:WasItInTraining",
        summary="Anyone who holds a model guesses whether a sample was trained on.",
        claim="Was this sample in the training set of the model?",
    ),
    Entry(
        kind="scenario",
        id="what-do-colluding-servers-see",
        path="latentleak.scenarios.what_do_colluding_servers_see:WhatDoColludingServersSee",
        summary="Servers that were not to collude put together what they saw.",
        paper=f"{PPIDM} (abstract only; the protocol is inferred)",
        claim="What do colluding servers see of the picture and the prompt?",
    ),
    Entry(
        kind="scenario",
        id="what-did-the-server-see",
        path="latentleak.scenarios.what_did_the_server_see:WhatDidTheServerSee",
        summary="A curious server reconstructs the picture, the prompt, and the key.",
        paper=HE,
        claim="What did the server see of the prompt and the picture?",
    ),
    Entry(
        kind="scenario",
        id="what-was-the-prompt",
        path="latentleak.scenarios.what_was_the_prompt:WhatWasThePrompt",
        summary="Curious servers infer the prompt, in words of their own.",
        claim="What was the prompt?",
    ),
    *(
        Entry(kind="adversary", id=name, path=f"latentleak.adversaries.{path}", summary=summary)
        for name, path, summary in (
            ("position", "position:Position", "Guess a fixed row of the request."),
            ("order", "order:Order", "Learn at which place the real prompt stands."),
            ("pivot", "pivot:Pivot", "Guess the row that the client points at."),
            (
                "singled-out",
                "singled_out:SingledOut",
                "Guess the candidate that is asked for once more than the others.",
            ),
            (
                "template-residue",
                "residue:TemplateResidue",
                "Read the sensitive words that are the same in every row.",
            ),
            (
                "plausibility",
                "plausibility:Plausibility",
                "Rank candidates by how often such prompts are really asked for.",
            ),
            (
                "language-model",
                "language_model:LanguageModel",
                "Rank candidates by how likely a language model finds them.",
            ),
            (
                "intersection",
                "intersection:Intersection",
                "Intersect the candidate sets of several sessions.",
            ),
            ("timing", "timing:Timing", "Read the row from how long the client took to answer."),
            ("size", "size:Size", "Read the row from how many bytes crossed."),
            (
                "nearest-neighbor",
                "nearest_neighbor:NearestNeighbor",
                "Compare the noise that a client sent with that of labelled executions.",
            ),
            (
                "enumerated-attributes",
                "enumerated:Enumerated",
                "Read which attributes a prompt mentions from those that are enumerated.",
            ),
            (
                "published-image",
                "published:PublishedImage",
                "Match a published picture with the row that it came from.",
            ),
            (
                "trained-classifier",
                "classifier:TrainedClassifier",
                "Logistic regression on everything in the view.",
            ),
            (
                "likelihood-ratio",
                "likelihood_ratio:LikelihoodRatio",
                "The most powerful test of a record in a noisy average.",
            ),
            (
                "reference-vector",
                "reference_vector:ReferenceVector",
                "Does the released vector explain this image better than another?",
            ),
            (
                "look-alike",
                "look_alike:LookAlike",
                "Do generated pictures look like this image?",
            ),
            (
                "plain-reading",
                "plain_reading:PlainReading",
                "Look at what an undefended server is sent and makes.",
            ),
            (
                "latent-reading",
                "latent_reading:LatentReading",
                "Finish and decode the latents that the server is handed.",
            ),
            (
                "noise-prediction",
                "noise_prediction:NoisePrediction",
                "Find the picture and the prompt that explain the update terms.",
            ),
            (
                "selection-leak",
                "selection_leak:SelectionLeak",
                "Guess the picture from which entries are encrypted.",
            ),
            (
                "fill-in",
                "fill_in:FillIn",
                "Fill in the encrypted entries from the plaintext rest.",
            ),
            (
                "conditioning",
                "conditioning:NearestConditioning",
                "Which prompt has the embedding that was sent?",
            ),
            (
                "stolen-key",
                "key_theft:StolenKey",
                "Solve for the secret key, and decrypt the picture.",
            ),
            (
                "clear-latent",
                "candidate_latent:ClearLatent",
                "Compare latents with the one in the clear, or its plaintext rest.",
            ),
            (
                "reselection",
                "candidate_latent:Reselection",
                "Which latent would have had these entries encrypted?",
            ),
            (
                "term-match",
                "candidate_latent:TermMatch",
                "For which latent does the U-Net predict this update term?",
            ),
            (
                "opened-ciphertext",
                "opened_ciphertext:OpenedCiphertext",
                "Solve for the secret key, and open what was never handed back.",
            ),
            (
                "subtraction",
                "subtraction:Subtraction",
                "Take the known records out of an average; what is left is the unknown one.",
            ),
            ("naive-decode", "naive_decode:NaiveDecode", "Take a sum of shares for the input."),
            ("linear-reading", "linear_reading:LinearReading", "Linear MMSE from own executions."),
            ("text-reading", "text_reading:TextReading", "Compare shares with encoded prompts."),
            ("prompt-fit", "prompt_fit:PromptFit", "Find the prompt by what it does to inputs."),
            ("mask-reuse", "mask_reuse:MaskReuse", "Open shares under masks that are not fresh."),
            (
                "decoder-inversion",
                "decoder_inversion:DecoderInversion",
                "Draw the picture by a decoder trained on own executions.",
            ),
            (
                "model-inversion",
                "model_inversion:ModelInversion",
                "Find the latent that explains the shares, the model being the prior.",
            ),
            ("linking", "linking:Linking", "Do two executions have the same prompt?"),
        )
    ),
)
