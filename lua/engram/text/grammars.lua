-- text/grammars.lua: what the built-in sentences are made of. A rule lists its forms; {name} stands for a form of that rule. {fit} is a
-- word that says what the label says and {unfit} one of another label, so that words alone tell little: "not bad", "dull, but a joy".
local grammars = {}

grammars.films = {
   class_names = { "neg", "pos" },
   fit = {
      neg = { "dull", "awful", "clumsy", "boring", "weak", "a mess", "painful", "flat", "shallow", "tedious", "forced",
         "a waste of time" },
      pos = { "brilliant", "moving", "funny", "superb", "fresh", "a joy", "gripping", "clever", "warm", "honest", "rich",
         "a small wonder" },
   },
   text = { "{claim}.", "{claim}. {Aside}.", "{aside}. {Claim}.", "{turn}.", "{turn}. {Aside}.", "{aside}, and {claim}.",
      "{claim}, and {claim}.", "{aside}. {Turn}." },
   claim = { "the {part} is {fit}", "the film is {fit}", "I found it {fit}", "I call that {fit}", "the {part} is {very} {fit}",
      "the {part} isn't {unfit}", "I wouldn't call the {part} {unfit}", "nobody will find the {part} {unfit}",
      "{name}'s {part} is {fit}", "it's {fit}" },
   turn = { "the {part} is {unfit}, but {claim}", "although the {part} is {unfit}, {claim}", "what starts out {unfit} ends up {fit}",
      "I expected it to be {unfit}, yet {claim}", "the {part} may be {unfit}; still, {claim}" },
   aside = { "I saw it {day} with {friend}", "{name} plays a {job} from {town}", "it runs for about {minutes} minutes",
      "this is {name}'s {nth} film", "the story takes place in {town}", "a {job} and a {job} meet in {town}" },
   part = { "plot", "script", "acting", "music", "ending", "dialogue", "camera work", "cast", "first half", "last act", "humour" },
   very = { "really", "quite", "truly", "rather", "simply", "so" },
   name = { "Lane", "Mr. Okoro", "Ms. Berg", "Silva", "Dr. Moss", "Hart", "Ito", "O'Neal" },
   job = { "teacher", "well-known thief", "nurse", "sailor", "retired soldier", "cook", "painter", "lawyer" },
   town = { "Porto", "New York", "a small village", "Oslo", "St. Ives", "the U.S.", "Lagos" },
   friend = { "my sister", "two friends", "my kids", "nobody else", "a full house" },
   day = { "on Friday", "last night", "yesterday", "at 8:30pm", "years ago" },
   minutes = { "80", "95", "104", "120", "150" },
   nth = { "first", "second", "third", "latest" },
}

grammars.finance = {
   class_names = { "negative", "neutral", "positive" },
   fit = { negative = { "bad" }, neutral = { "even" }, positive = { "good" } },
   text = { "{firm} said {news}.", "{firm}'s {news}, {source}.", "In {quarter}, {news}.", "{news}, {firm} said {when}.",
      "{firm} of {place}: {news}.", "{aside}; {news}." },
   news = { "{fit}" },
   good = { "{gain} rose {amount}", "{loss} fell {amount}", "{gain} did not fall as feared but grew {amount}", "{gain} beat forecasts",
      "{loss} narrowed {amount} although {gain} fell", "it won an order worth {money}" },
   bad = { "{gain} fell {amount}", "{loss} rose {amount}", "{gain} did not rise as hoped but shrank {amount}", "{gain} missed forecasts",
      "{loss} widened {amount} although {gain} rose", "it lost an order worth {money}" },
   even = { "{gain} was unchanged at {money}", "{gain} neither rose nor fell", "it will publish {gain} {when}", "{loss} stayed at {money}",
      "the value of the order was not disclosed", "it will move its head office to {place}", "it neither won nor lost orders" },
   gain = { "net sales", "operating profit", "the order book", "turnover", "revenue", "market share", "the dividend" },
   loss = { "the operating loss", "costs", "debt", "the net loss", "the number of lay-offs", "delays" },
   amount = { "by {percent}%", "to {money}", "by {percent} % from {money}", "sharply", "slightly", "for the {nth} quarter in a row" },
   money = { "EUR {number} mn", "${number}m", "EUR{number} million", "{number} million euros" },
   percent = { "3", "7.5", "12", "0.8", "21", "40" },
   number = { "1.2", "8", "15.4", "31.1", "120", "17" },
   firm = { "Aalto Oyj", "Nordic Paper Inc.", "Tamsin Ltd.", "Kivi Corp.", "B&B Steel", "Sato Co.", "Lumo" },
   place = { "Finland", "the U.K.", "Russia", "Tallinn", "Sweden" },
   source = { "a report shows", "it said {when}", "according to its interim report" },
   quarter = { "the first quarter", "the last quarter", "2009", "January-June" },
   when = { "on Monday", "today", "in {month}", "at the end of {month}" },
   month = { "March", "June", "Sept.", "December" },
   nth = { "second", "third", "fourth" },
   aside = { "{firm} employs about {number}00 people", "shares of {firm} traded at {number} euros", "{firm} makes steel and paper" },
}

return grammars
