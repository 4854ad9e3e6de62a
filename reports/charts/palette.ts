/** Colours of the canvas charts; the same roles as the variables in html/style.ts. Told apart by the colour-blind too, and never by colour alone. */
export interface Palette {
  background: string;
  ink: string;
  muted: string;
  grid: string;
  band: string;
  hatch: string;
  blue: string;
  orange: string;
  green: string;
  violet: string;
  red: string;
}

export const light: Palette = {
  background: '#ffffff',
  ink: '#1b2330',
  muted: '#596475',
  grid: '#e6eaf0',
  band: '#f3f6fa',
  hatch: '#dde3ec',
  blue: '#1d5fbf',
  orange: '#b8560f',
  green: '#157a55',
  violet: '#7647b3',
  red: '#b3261e',
};

export const dark: Palette = {
  background: '#171c24',
  ink: '#e7ebf1',
  muted: '#9da8b7',
  grid: '#2b333f',
  band: '#1d242e',
  hatch: '#313b49',
  blue: '#74abff',
  orange: '#f3a55c',
  green: '#56c898',
  violet: '#bb9cf3',
  red: '#ff8b7d',
};
