"""Holds the sentences of a notice in each language.

The sentences are short and name things by the words of data protection law in that language (the GDPR's own language
versions): controller, right of access, supervisory authority.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sentences:
    """The text of a notice in one language. `{days}` stands for a number above 1.

    `seen` and `kept` hold for every sensor. `light`: with a light. `watched`: where a picture can be watched on the
    preview page; `unwatched`: where it cannot. `counted_...`: with summaries.
    """

    title: str
    intro: str
    seen_heading: str
    seen: str
    light: str
    kept_heading: str
    kept: str
    watched: str
    unwatched: str
    not_kept: str
    deleted_after_day: str
    deleted_after_days: str
    counted_day: str
    counted_days: str
    purpose_heading: str
    responsible_heading: str
    contact: str
    officer: str
    legal_heading: str
    rights_heading: str
    rights: str
    more: str


LANGUAGES: Final[Mapping[str, Sentences]] = {
    "en": Sentences(
        title="Emotion sensor",
        intro="A camera here reads facial expressions. It belongs to an emotion recognition system, which uses "
        "artificial intelligence.",
        seen_heading="What is seen",
        seen="Every face in front of the camera. A program estimates which expression it shows, such as happy, sad or"
        " neutral. It does not recognise who you are.",
        light="While the light beside the camera is off, the camera is off.",
        kept_heading="What is kept",
        kept="The sensor stores no picture. What is passed on: the time, the expression, where the face is in the "
        "picture, and counts of these.",
        watched="Whoever operates the sensor can watch the picture live.",
        unwatched="The sensor shows the picture to nobody.",
        not_kept="What is passed on is not kept.",
        deleted_after_day="What is passed on is deleted after one day.",
        deleted_after_days="What is passed on is deleted after {days} days.",
        counted_day="The sensor keeps counts by the hour for one day.",
        counted_days="The sensor keeps counts by the hour for {days} days.",
        purpose_heading="Purpose",
        responsible_heading="Who is responsible",
        contact="Contact",
        officer="Data protection officer",
        legal_heading="Legal basis",
        rights_heading="Your rights",
        rights="You have the right of access, rectification, erasure, restriction and objection, and the right to "
        "lodge a complaint with a supervisory authority.",
        more="More information",
    ),
    "de": Sentences(
        title="Emotionssensor",
        intro="Eine Kamera liest hier Gesichtsausdrücke. Sie gehört zu einem System zur Emotionserkennung, das mit "
        "künstlicher Intelligenz arbeitet.",
        seen_heading="Was gesehen wird",
        seen="Jedes Gesicht vor der Kamera. Ein Programm schätzt, welchen Ausdruck es zeigt, zum Beispiel fröhlich, "
        "traurig oder neutral. Es erkennt nicht, wer Sie sind.",
        light="Solange das Licht neben der Kamera aus ist, ist die Kamera aus.",
        kept_heading="Was gespeichert wird",
        kept="Der Sensor speichert kein Bild. Weitergegeben werden: die Uhrzeit, der Ausdruck, wo das Gesicht im Bild"
        " ist, und Zählungen davon.",
        watched="Wer den Sensor betreibt, kann das Bild live sehen.",
        unwatched="Der Sensor zeigt das Bild niemandem.",
        not_kept="Was weitergegeben wird, wird nicht aufbewahrt.",
        deleted_after_day="Was weitergegeben wird, wird nach einem Tag gelöscht.",
        deleted_after_days="Was weitergegeben wird, wird nach {days} Tagen gelöscht.",
        counted_day="Der Sensor bewahrt Zählungen je Stunde einen Tag lang auf.",
        counted_days="Der Sensor bewahrt Zählungen je Stunde {days} Tage lang auf.",
        purpose_heading="Zweck",
        responsible_heading="Wer verantwortlich ist",
        contact="Kontakt",
        officer="Datenschutzbeauftragte Person",
        legal_heading="Rechtsgrundlage",
        rights_heading="Ihre Rechte",
        rights="Sie haben das Recht auf Auskunft, Berichtigung, Löschung, Einschränkung der Verarbeitung und "
        "Widerspruch sowie auf Beschwerde bei einer Aufsichtsbehörde.",
        more="Weitere Informationen",
    ),
    "fr": Sentences(
        title="Capteur d’émotions",
        intro="Ici, une caméra lit les expressions du visage. Elle fait partie d’un système de reconnaissance des "
        "émotions, qui utilise l’intelligence artificielle.",
        seen_heading="Ce qui est vu",
        seen="Chaque visage devant la caméra. Un programme estime quelle expression il montre, par exemple joyeuse, "
        "triste ou neutre. Il ne reconnaît pas qui vous êtes.",
        light="Tant que la lumière à côté de la caméra est éteinte, la caméra est éteinte.",
        kept_heading="Ce qui est conservé",
        kept="Le capteur n’enregistre aucune image. Sont transmis : l’heure, l’expression, la position du visage dans"
        " l’image, et leurs décomptes.",
        watched="L’exploitant du capteur peut voir l’image en direct.",
        unwatched="Le capteur ne montre l’image à personne.",
        not_kept="Ce qui est transmis n’est pas conservé.",
        deleted_after_day="Ce qui est transmis est effacé au bout d’un jour.",
        deleted_after_days="Ce qui est transmis est effacé au bout de {days} jours.",
        counted_day="Le capteur conserve des décomptes par heure pendant un jour.",
        counted_days="Le capteur conserve des décomptes par heure pendant {days} jours.",
        purpose_heading="Finalité",
        responsible_heading="Responsable du traitement",
        contact="Contact",
        officer="Délégué à la protection des données",
        legal_heading="Base juridique",
        rights_heading="Vos droits",
        rights="Vous disposez d’un droit d’accès, de rectification, d’effacement, de limitation et d’opposition, et "
        "du droit d’introduire une réclamation auprès d’une autorité de contrôle.",
        more="Plus d’informations",
    ),
    "es": Sentences(
        title="Sensor de emociones",
        intro="Aquí, una cámara lee las expresiones de la cara. Forma parte de un sistema de reconocimiento de "
        "emociones, que utiliza inteligencia artificial.",
        seen_heading="Qué se ve",
        seen="Cada cara delante de la cámara. Un programa estima qué expresión muestra, por ejemplo alegre, triste o "
        "neutra. No reconoce quién es usted.",
        light="Mientras la luz junto a la cámara está apagada, la cámara está apagada.",
        kept_heading="Qué se conserva",
        kept="El sensor no guarda ninguna imagen. Se transmiten: la hora, la expresión, la posición de la cara en la "
        "imagen, y recuentos de estos datos.",
        watched="Quien maneja el sensor puede ver la imagen en directo.",
        unwatched="El sensor no muestra la imagen a nadie.",
        not_kept="Lo transmitido no se conserva.",
        deleted_after_day="Lo transmitido se borra después de un día.",
        deleted_after_days="Lo transmitido se borra después de {days} días.",
        counted_day="El sensor conserva recuentos por hora durante un día.",
        counted_days="El sensor conserva recuentos por hora durante {days} días.",
        purpose_heading="Finalidad",
        responsible_heading="Responsable del tratamiento",
        contact="Contacto",
        officer="Delegado de protección de datos",
        legal_heading="Base jurídica",
        rights_heading="Sus derechos",
        rights="Usted tiene derecho de acceso, rectificación, supresión, limitación y oposición, y derecho a "
        "presentar una reclamación ante una autoridad de control.",
        more="Más información",
    ),
    "it": Sentences(
        title="Sensore di emozioni",
        intro="Qui una telecamera legge le espressioni del viso. Fa parte di un sistema di riconoscimento delle "
        "emozioni, che usa l’intelligenza artificiale.",
        seen_heading="Che cosa si vede",
        seen="Ogni viso davanti alla telecamera. Un programma stima quale espressione mostra, per esempio felice, "
        "triste o neutra. Non riconosce chi è Lei.",
        light="Finché la luce accanto alla telecamera è spenta, la telecamera è spenta.",
        kept_heading="Che cosa si conserva",
        kept="Il sensore non salva nessuna immagine. Si trasmettono: l’ora, l’espressione, la posizione del viso "
        "nell’immagine, e i conteggi di questi dati.",
        watched="Chi gestisce il sensore può vedere l’immagine in diretta.",
        unwatched="Il sensore non mostra l’immagine a nessuno.",
        not_kept="Ciò che viene trasmesso non viene conservato.",
        deleted_after_day="Ciò che viene trasmesso viene cancellato dopo un giorno.",
        deleted_after_days="Ciò che viene trasmesso viene cancellato dopo {days} giorni.",
        counted_day="Il sensore conserva conteggi orari per un giorno.",
        counted_days="Il sensore conserva conteggi orari per {days} giorni.",
        purpose_heading="Finalità",
        responsible_heading="Titolare del trattamento",
        contact="Contatto",
        officer="Responsabile della protezione dei dati",
        legal_heading="Base giuridica",
        rights_heading="I Suoi diritti",
        rights="Lei ha il diritto di accesso, rettifica, cancellazione, limitazione e opposizione, e il diritto di "
        "proporre reclamo a un’autorità di controllo.",
        more="Ulteriori informazioni",
    ),
    "nl": Sentences(
        title="Emotiesensor",
        intro="Een camera leest hier gezichtsuitdrukkingen. De camera hoort bij een systeem voor emotieherkenning, "
        "dat kunstmatige intelligentie gebruikt.",
        seen_heading="Wat er wordt gezien",
        seen="Elk gezicht voor de camera. Een programma schat welke uitdrukking het toont, bijvoorbeeld blij, "
        "verdrietig of neutraal. Het herkent niet wie u bent.",
        light="Zolang het lampje naast de camera uit is, is de camera uit.",
        kept_heading="Wat er wordt bewaard",
        kept="De sensor slaat geen beeld op. Doorgegeven worden: de tijd, de uitdrukking, waar het gezicht in het "
        "beeld is, en tellingen daarvan.",
        watched="Wie de sensor beheert, kan het beeld live bekijken.",
        unwatched="De sensor laat het beeld aan niemand zien.",
        not_kept="Wat wordt doorgegeven, wordt niet bewaard.",
        deleted_after_day="Wat wordt doorgegeven, wordt na één dag gewist.",
        deleted_after_days="Wat wordt doorgegeven, wordt na {days} dagen gewist.",
        counted_day="De sensor bewaart tellingen per uur gedurende één dag.",
        counted_days="De sensor bewaart tellingen per uur gedurende {days} dagen.",
        purpose_heading="Doel",
        responsible_heading="Verwerkingsverantwoordelijke",
        contact="Contact",
        officer="Functionaris voor gegevensbescherming",
        legal_heading="Rechtsgrond",
        rights_heading="Uw rechten",
        rights="U hebt recht op inzage, rectificatie, wissing, beperking en bezwaar, en het recht om een klacht in te"
        " dienen bij een toezichthoudende autoriteit.",
        more="Meer informatie",
    ),
    "pl": Sentences(
        title="Czujnik emocji",
        intro="Kamera odczytuje tutaj wyraz twarzy. Należy do systemu rozpoznawania emocji, który używa sztucznej "
        "inteligencji.",
        seen_heading="Co widzi kamera",
        seen="Każdą twarz przed kamerą. Program ocenia, jaki ma ona wyraz, na przykład radosny, smutny lub neutralny."
        " Nie rozpoznaje, kim Państwo są.",
        light="Gdy światło obok kamery jest wyłączone, kamera jest wyłączona.",
        kept_heading="Co jest przechowywane",
        kept="Czujnik nie zapisuje żadnego obrazu. Przekazywane są: czas, wyraz twarzy, położenie twarzy w obrazie "
        "oraz ich zliczenia.",
        watched="Kto obsługuje czujnik, może oglądać obraz na żywo.",
        unwatched="Czujnik nikomu nie pokazuje obrazu.",
        not_kept="Przekazane dane nie są przechowywane.",
        deleted_after_day="Przekazane dane są usuwane po jednym dniu.",
        deleted_after_days="Przekazane dane są usuwane po {days} dniach.",
        counted_day="Czujnik przechowuje zliczenia godzinowe przez jeden dzień.",
        counted_days="Czujnik przechowuje zliczenia godzinowe przez {days} dni.",
        purpose_heading="Cel",
        responsible_heading="Administrator danych",
        contact="Kontakt",
        officer="Inspektor ochrony danych",
        legal_heading="Podstawa prawna",
        rights_heading="Państwa prawa",
        rights="Mają Państwo prawo dostępu do danych, ich sprostowania, usunięcia i ograniczenia przetwarzania, prawo"
        " sprzeciwu oraz prawo wniesienia skargi do organu nadzorczego.",
        more="Więcej informacji",
    ),
}
"""Sentences by language, as ISO 639-1 names it."""
